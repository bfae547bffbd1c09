import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startDelayProxy } from "../../lab/delay-proxy.mjs";

const RTT_MS = 60;

async function distantEcho() {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await startDelayProxy({
    target: { host: "127.0.0.1", port: (server.address() as AddressInfo).port },
    rttMs: RTT_MS,
  });
  const socket = connect(proxy.port, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
    proxy.close();
    server.close();
  });
  return { proxy, socket };
}

// Only what the proxy promises at least is asserted: how much longer it takes is the machine's business.

test("DelayProxy takes a handshake and a round trip for the first answer, and one round trip for the next", async () => {
  const { proxy, socket } = await distantEcho();
  const begun = performance.now();
  socket.write("one");
  expect(String((await once(socket, "data"))[0])).toBe("one");
  const first = performance.now();
  expect(first - begun).toBeGreaterThanOrEqual(2 * RTT_MS - 5);
  socket.write("two");
  expect(String((await once(socket, "data"))[0])).toBe("two");
  expect(performance.now() - first).toBeGreaterThanOrEqual(RTT_MS - 2);
  expect(proxy.connections).toBe(1);
});

test("DelayProxy keeps the order, and ends after the last octet", async () => {
  const { socket } = await distantEcho();
  let received = "";
  socket.on("data", (octets) => {
    received += octets;
  });
  const sent = Array.from({ length: 50 }, (_, index) => `${index} `);
  for (const word of sent) socket.write(word);
  socket.end();
  await once(socket, "end");
  expect(received).toBe(sent.join(""));
});
