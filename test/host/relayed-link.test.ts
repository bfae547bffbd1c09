import { expect, test } from "vitest";
import type { FlowMessage } from "../../src/host/carrier-messages.js";
import { Flow } from "../../src/host/flow.js";
import { relayLink } from "../../src/host/relayed-link.js";
import { octets } from "../session/support.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeLink } from "../support/fake-link.js";

test("relayLink tells what it has passed on before what came for it: an acknowledgement is never of what waits", () => {
  const posted: FlowMessage[] = [];
  const flow = new Flow(
    1,
    (message) => posted.push(message),
    () => {},
  );
  const link = new FakeLink("websocket");
  relayLink(link, flow, { clock: new FakeClock(), hasRoom: () => true, over: () => {} });
  link.queuedBytes = 100_000;
  flow.receive({ type: "octets", flow: 1, octets: octets(100_000) });
  expect(posted).toEqual([]);
  // The client has read all of it, and says so, before the relay's own next look.
  link.queuedBytes = 0;
  link.receive({ type: "ack", sequence: 2 });
  expect(posted.map((message) => (message.type === "taken" ? message.bytes : message.type))).toEqual([
    100_000,
    "octets",
  ]);
});
