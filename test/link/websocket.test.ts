import { expect, test } from "vitest";
import { openWebSocketLink } from "../../src/link/websocket.js";
import { Recorder } from "../contract/link.js";

test("openWebSocketLink never throws: what the platform refuses to make is a link that dies, after it was listened to", async () => {
  const events = new Recorder();
  // No subprotocol holds a space. A browser's policy for this page is said in the same way, by an exception.
  const link = openWebSocketLink("ws://127.0.0.1:1/WAO.1", "not a token");
  link.listen(events);
  link.send(new Uint8Array(4));
  link.close("not needed any more");
  expect(events.ends).toEqual([]);
  await Promise.resolve();
  expect(events.ends).toMatchObject([{ end: "answered", reason: expect.stringContaining("subprotocol") }]);
  expect([link.queuedBytes, events.opens, events.breaches]).toEqual([0, 0, []]);
});
