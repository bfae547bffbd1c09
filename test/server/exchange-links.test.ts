import { expect, test } from "vitest";
import { encodeFrame } from "../../src/frame/frame.js";
import { access, send, startServer } from "./support.js";

const link = new Uint8Array(16).fill(5);

function request(key: Uint8Array, number: number): Uint8Array {
  return encodeFrame({ type: "exchange", link, key, number, confirmed: 0, parkMs: 0, holdMs: 0 });
}

test("a request of a link that is dead is no error to the holder of the key, and 404 to anybody else", async () => {
  const { url, server, refusals } = await startServer();
  const { address, id, keyOctets } = await access(url);
  const late = await send("POST", address, { body: request(keyOctets, 5) });
  expect([late.status, late.frames]).toEqual([
    200,
    [expect.objectContaining({ type: "refused", code: "attach_stale" })],
  ]);
  expect(refusals).toEqual([]);
  expect((await send("POST", address, { body: request(new Uint8Array(32), 5) })).status).toBe(404);
  server.sessions.end(id);
  await expect.poll(() => server.sessions.size).toBe(0);
  expect((await send("POST", address, { body: request(keyOctets, 5) })).status).toBe(410);
});
