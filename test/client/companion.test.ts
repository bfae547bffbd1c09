import { expect, test } from "vitest";
import { companionRules } from "../../src/client/companion.js";
import { octets, welcomeFrame } from "../session/support.js";
import type { FakeLink } from "../support/fake-link.js";
import { ClientSetup } from "./support.js";

const { longMs, lookMs, batchesMin } = companionRules;

/** A session on a WebSocket whose round trip takes so long. */
function open(roundTripMs: number): { setup: ClientSetup; link: FakeLink } {
  const setup = new ClientSetup();
  setup.identify();
  const link = setup.last(setup.opens);
  link.open();
  setup.clock.pass(roundTripMs);
  setup.welcome(link);
  return { setup, link };
}

/** So many batches are said, and acknowledged, and time passes until their use is looked at. */
function talk(setup: ClientSetup, link: FakeLink, batches: number): void {
  for (let i = 0; i < batches; i++) setup.send(1);
  const sequence = link.takeFrames().reduce((last, frame) => (frame.type === "batch" ? frame.sequence : last), 0);
  if (sequence > 0) link.receive({ type: "ack", sequence });
  for (let i = 0; i < lookMs; i += 500) {
    setup.clock.pass(500);
    // A heartbeat is answered at once.
    for (const frame of link.takeFrames()) if (frame.type === "ping") link.receive({ ...frame, type: "pong" });
  }
}

/** A far session with a companion that was let in. */
function accompanied() {
  const { setup, link } = open(longMs);
  talk(setup, link, batchesMin);
  const companion = setup.last(setup.opens);
  companion.open();
  companion.receive(welcomeFrame(2));
  return { setup, link, companion };
}

test("Companion is opened beside a WebSocket on a long way that is in use, and attaches as what it is", () => {
  const { setup, link } = open(longMs);
  setup.clock.pass(lookMs - 1);
  expect(setup.opens.length).toBe(1);
  talk(setup, link, batchesMin);
  expect(setup.opens.length).toBe(2);
  const companion = setup.last(setup.opens);
  companion.open();
  expect(companion.takeFrames()).toMatchObject([{ type: "attach", attach: 2, isCompanion: true }]);
  companion.receive(welcomeFrame(2));
  setup.send(10);
  expect([link, companion].map((one) => one.takeFrames().map(({ type }) => type))).toEqual([["batch"], ["batch"]]);
});

test.each([
  ["the way is short", longMs - 1, batchesMin],
  ["little is said", longMs, batchesMin - 1],
])("Companion is not opened where %s", (_name, roundTripMs, batches) => {
  const { setup, link } = open(roundTripMs);
  talk(setup, link, batches);
  expect(setup.opens.length).toBe(1);
});

test("Companion is closed when little is said any more", () => {
  const { setup, link, companion } = accompanied();
  talk(setup, link, batchesMin - 1);
  expect(companion.closeReason).toBeDefined();
  expect(link.closeReason).toBeUndefined();
});

test("Companion is replaced when nothing comes over it, until three in a row did not work", () => {
  const { setup, link } = accompanied();
  for (let i = 0; i < 20; i++) {
    talk(setup, link, batchesMin);
    setup.last(setup.opens).open();
  }
  expect(setup.opens.length).toBe(1 + 3);
  expect(setup.alive).toEqual([link]);
});

test("Companion is kept as long as something comes over it", () => {
  const { setup, link, companion } = accompanied();
  for (let i = 1; i < 5; i++) {
    companion.receive({ type: "batch", sequence: i, clockMs: 0, messages: octets(1) });
    talk(setup, link, batchesMin);
  }
  expect([setup.opens.length, companion.closeReason]).toEqual([2, undefined]);
});

test("Companion that a server of an older kind refuses leaves the session alone", () => {
  const { setup, link } = open(longMs);
  talk(setup, link, batchesMin);
  const companion = setup.last(setup.opens);
  companion.open();
  companion.receive({ type: "refused", code: "attach_stale", message: "" });
  expect(companion.closeReason).toBeDefined();
  companion.die("answered");
  expect([setup.state, setup.reason, link.closeReason]).toEqual(["open", undefined, undefined]);
});

test("Companion goes with the link that it accompanies", () => {
  const { setup, link } = accompanied();
  link.die();
  expect(setup.state).toBe("interrupted");
  const next = setup.last(setup.alive);
  next.open();
  setup.welcome(next, { received: batchesMin });
  expect([setup.state, setup.alive]).toEqual(["open", [next]]);
});

test("Companion leaves no timer behind its session", () => {
  const { setup, link } = accompanied();
  link.receive({ type: "close", code: "closed", message: "", last: 0 });
  setup.clock.pass(2_000);
  expect([setup.state, setup.clock.waiting]).toEqual(["closed", 0]);
});
