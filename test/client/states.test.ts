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
