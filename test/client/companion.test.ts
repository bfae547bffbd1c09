import { expect, test } from "vitest";
import { companionRules } from "../../src/client/companion.js";
import type { Frame } from "../../src/frame/frame.js";
import { octets, welcomeFrame } from "../session/support.js";
import type { FakeLink } from "../support/fake-link.js";
import { ClientSetup } from "./support.js";

const { longMs, lookMs, writesMin } = companionRules;
const STEP_MS = 50;

/** A session on a WebSocket to a server that is so far away, and answers what a server answers. */
class FarSession {
  readonly setup = new ClientSetup();
  readonly link: FakeLink;
  /** What was sent on the link. */
  readonly sent: Frame[] = [];
  private answers: { readonly at: number; readonly frame: Frame }[] = [];

  constructor(
    private readonly roundTripMs: number,
    attachMs = roundTripMs,
  ) {
    const { setup } = this;
    setup.identify();
    this.link = setup.last(setup.opens);
    this.link.open();
    setup.clock.pass(attachMs);
    setup.welcome(this.link);
  }

  get companion(): FakeLink {
    return this.setup.last(this.setup.opens);
  }

  /** So many short writes are made, and time passes until their use is looked at. */
  talk(writes: number): void {
    for (let i = 0; i < writes; i++) this.setup.send(1);
    this.pass(lookMs);
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.listen();
      this.setup.clock.pass(STEP_MS);
      this.listen();
    }
  }

  private listen(): void {
    const { now } = this.setup.clock;
    for (const frame of this.link.takeFrames()) {
      this.sent.push(frame);
      const at = now + this.roundTripMs;
      if (frame.type === "batch") this.answers.push({ at, frame: { type: "ack", sequence: frame.sequence } });
      if (frame.type === "ping") this.answers.push({ at, frame: { ...frame, type: "pong" } });
    }
    for (const { at, frame } of this.answers) if (at <= now) this.link.receive(frame);
    this.answers = this.answers.filter(({ at }) => at > now);
  }
}

/** A far session with a companion that was let in. */
function accompanied(): FarSession {
  const session = new FarSession(longMs);
  session.talk(writesMin);
  session.companion.open();
  session.companion.receive(welcomeFrame(2));
  return session;
}

test("Companion is opened beside a WebSocket on a long way that is in use, and attaches as what it is", () => {
  const session = new FarSession(longMs);
  session.pass(lookMs - STEP_MS);
  expect(session.setup.opens.length).toBe(1);
  session.talk(writesMin);
  expect(session.setup.opens.length).toBe(2);
  const { companion, link, setup } = session;
  companion.open();
  expect(companion.takeFrames()).toMatchObject([{ type: "attach", attach: 2, companion: 1 }]);
  companion.receive(welcomeFrame(2));
  setup.send(10);
  expect([link, companion].map((one) => one.takeFrames().map(({ type }) => type))).toEqual([["batch"], ["batch"]]);
});

test.each([
  ["the way is short", longMs - 1, longMs - 1, writesMin],
  ["the server was slow to answer the attach, and the way is short", 20, 2 * longMs, writesMin],
  ["little is said", longMs, longMs, writesMin / 2],
])("Companion is not opened where %s", (_name, roundTripMs, attachMs, writes) => {
  const session = new FarSession(roundTripMs, attachMs);
  session.talk(writes);
  session.talk(writes);
  expect(session.setup.opens.length).toBe(1);
});

test("Companion is of no use for what is too long to be copied", () => {
  const session = new FarSession(longMs);
  for (let i = 0; i < writesMin; i++) session.setup.send(5_000);
  session.pass(lookMs);
  expect(session.setup.opens.length).toBe(1);
});

test("Companion costs an idle session nothing", () => {
  const session = new FarSession(longMs);
  session.pass(120_000);
  const pings = session.sent.filter(({ type }) => type === "ping").length;
  expect([session.setup.opens.length, pings <= 1 + 120_000 / 15_000 + 5]).toEqual([1, true]);
});

test("Companion is closed when little is said any more", () => {
  const session = accompanied();
  session.talk(1);
  expect(session.companion.closeReason).toBeDefined();
  expect(session.link.closeReason).toBeUndefined();
});

test("Companion is replaced when nothing comes over it, until three in a row did not work", () => {
  const session = new FarSession(longMs);
  for (let i = 0; i < 20; i++) {
    session.talk(writesMin);
    session.companion.open();
    // To be let in is not yet to work.
    session.companion.receive(welcomeFrame(2));
  }
  expect(session.setup.opens.length).toBe(1 + 3);
  expect(session.setup.alive).toEqual([session.link]);
});

test("Companion is kept as long as something comes over it", () => {
  const session = accompanied();
  for (let i = 1; i < 5; i++) {
    session.companion.receive({ type: "batch", sequence: i, clockMs: 0, messages: octets(1) });
    session.talk(writesMin);
  }
  expect([session.setup.opens.length, session.companion.closeReason]).toEqual([2, undefined]);
});

test("Companion that a server of an older kind refuses leaves the session alone", () => {
  const session = new FarSession(longMs);
  session.talk(writesMin);
  const { companion, setup, link } = session;
  companion.open();
  companion.receive({ type: "refused", code: "attach_stale", message: "" });
  expect(companion.closeReason).toBeDefined();
  companion.die("answered");
  expect([setup.state, setup.reason, link.closeReason]).toEqual(["open", undefined, undefined]);
});

test("Companion is heard when the link that it accompanies has died, until the next one is answered", () => {
  const { setup, link, companion } = accompanied();
  link.die();
  expect([setup.state, companion.closeReason]).toEqual(["interrupted", undefined]);
  companion.receive({ type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
  expect(setup.received).toBe(1);
  const next = setup.last(setup.alive);
  next.open();
  setup.welcome(next, { received: writesMin });
  expect([setup.state, setup.alive]).toEqual(["open", [next]]);
});

test("Companion does not attach beside a link that is gone, or suspect", () => {
  const session = new FarSession(longMs);
  session.talk(writesMin);
  const { companion } = session;
  session.link.die();
  companion.open();
  expect(companion.takeFrames()).toEqual([]);
  expect(companion.closeReason).toBeDefined();
});

test("Companion is let go with the page that is put aside", () => {
  const { setup, companion } = accompanied();
  setup.communication.detach();
  expect(companion.closeReason).toBeDefined();
  const { length } = setup.opens;
  setup.clock.pass(2 * lookMs);
  expect(setup.opens.length).toBe(length);
});

test("Companion leaves no timer behind its session", () => {
  const { setup, link } = accompanied();
  link.receive({ type: "close", code: "closed", message: "", last: 0 });
  setup.clock.pass(2_000);
  expect([setup.state, setup.clock.waiting]).toEqual(["closed", 0]);
});
