import { expect, test } from "vitest";
import { octets } from "../session/support.js";
import { ClientSetup } from "./support.js";

/** Longer than it takes to suspect a silent link, and to see attempts beside it fail. */
const LONG_MS = 5_000;

/** An open session whose link has gone silent with something outstanding. */
function silent() {
  const setup = new ClientSetup({ askKind: "http-exchange" });
  const link = setup.attach();
  setup.states.length = 0;
  setup.send(10);
  return { setup, link };
}

test("a link that is silent is no path once attempts beside it have failed, and is one again when it answers", () => {
  const { setup, link } = silent();
  setup.clock.pass(LONG_MS);
  expect(setup.states).toEqual(["interrupted"]);
  expect(setup.state).toBe("open");
  link.receive({ type: "ack", sequence: 1 });
  expect(setup.states).toEqual(["interrupted", "open"]);
});

test("a link that is silent for a moment is not told as an interruption", () => {
  const { setup, link } = silent();
  setup.clock.pass(1_200);
  link.receive({ type: "ack", sequence: 1 });
  setup.clock.pass(LONG_MS);
  expect(setup.states).toEqual([]);
});

test("a link that was silent, and then dies, is told once", () => {
  const { setup, link } = silent();
  setup.clock.pass(LONG_MS);
  link.die();
  setup.clock.endTurn();
  expect(setup.states).toEqual(["interrupted"]);
});

test("another link that takes over from a silent one is told as open", () => {
  const { setup } = silent();
  setup.clock.pass(LONG_MS);
  const next = setup.last(setup.alive.filter(({ kind }) => kind === "websocket"));
  next.open();
  next.takeFrames();
  next.receive({ type: "pong", octets: new Uint8Array(0) });
  // The probe of its path was answered: it attaches.
  setup.welcome(next);
  expect(setup.states).toEqual(["interrupted", "open"]);
});

test("an upgrade that does not get through is followed by plain HTTP, and is no interruption", () => {
  const setup = new ClientSetup({ askKind: "http-exchange" });
  setup.clock.endTurn();
  setup.welcome(setup.last(setup.accesses), { id: "WAO.1", key: octets(32), links: ["websocket"] });
  setup.last(setup.accesses).die("answered", "the answer ended");
  setup.clock.endTurn();
  setup.last(setup.opens).die("lost", "the WebSocket failed");
  setup.clock.endTurn();
  const ask = setup.last(setup.asks);
  ask.open();
  setup.welcome(ask);
  expect(setup.states).toEqual(["open"]);
});

/** A session whose upgrades do not get through, and that no other kind of link is allowed to; it is attached. */
function byRequests(endUpgrade: (setup: ClientSetup) => void) {
  const setup = new ClientSetup();
  setup.clock.endTurn();
  setup.welcome(setup.last(setup.accesses), { id: "WAO.1", key: octets(32), links: ["websocket"] });
  setup.last(setup.accesses).die("answered", "the answer ended");
  let answered = 0;
  /** Time passes; each request is answered while the network is there. */
  const pass = (ms: number, isThere = true) => {
    for (let at = 0; at < ms; at += 100) {
      endUpgrade(setup);
      setup.clock.pass(100);
      for (const given of setup.asks)
        if (given.closeReason !== undefined && !given.isDead) given.die("lost", "given up");
      const ask = setup.asks.at(-1);
      if (!isThere || ask === undefined || ask.isDead) continue;
      setup.welcome(ask);
      ask.die("answered", "the answer ended");
      answered += 1;
    }
    return answered;
  };
  return { setup, pass };
}

test.each([
  ["hang", () => {}, "websocket: it took too long"],
  [
    "are refused",
    (setup: ClientSetup) => {
      for (const link of setup.alive) if (link.kind === "websocket") link.die("answered", "403 to the upgrade");
    },
    "websocket: 403 to the upgrade",
  ],
] as const)("a session carried by single requests, since upgrades %s, is open and says why", (_how, end, reason) => {
  const { setup, pass } = byRequests(end);
  expect(pass(30_000)).toBeGreaterThan(5);
  expect(new Set(setup.states)).toEqual(new Set(["open"]));
  expect(setup.communication.linkFailure).toBe(reason);
  // Requests that are not answered either are an interruption, and one that is answered its end.
  pass(10_000, false);
  expect(setup.states.at(-1)).toBe("interrupted");
  pass(10_000);
  expect(setup.states.at(-1)).toBe("open");
});
