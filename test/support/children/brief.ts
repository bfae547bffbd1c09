/** A whole life of a server and a client in one program without a process.exit(): it must end by itself. */
import { connect } from "../../../src/client/index.js";
import { Service } from "../../../src/index.js";
import { serve } from "../../../src/server/index.js";

class Brief extends Service {
  add(a: number, b: number): number {
    return a + b;
  }

  later(callback: () => void): void {
    callback();
  }
}

const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Brief });
const session = connect<Brief>(server.address.href);
const sum = await session.remote.add(1, 2);
await new Promise<void>((resolve) => void session.remote.later(resolve));
// Settled calls with a far deadline must not keep a timer.
await session.with({ timeoutMs: 3_600_000, signal: new AbortController().signal }).remote.add(1, 1);
if (process.argv[2] === "client-first") {
  await session.close();
  await server.close();
} else {
  await server.close();
  await session.closed;
}
console.log(`the sum is ${sum}`);
const closedAt = performance.now();
process.on("exit", () => console.log(`ended after ${Math.round(performance.now() - closedAt)} ms`));
