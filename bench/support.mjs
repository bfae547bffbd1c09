/** What benches share. */
import { once } from "node:events";
import { createServer } from "node:http";

/** An HTTP server on a free port of loopback. */
export async function listening() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** @param {number[]} figures */
export function median(figures) {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1];
}
