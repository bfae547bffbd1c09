/** A server that can be killed, with everything that a bad day needs. Its arguments are the port and the lease. */
import { Service } from "../../../src/index.js";
import { type ServerEvents, serve } from "../../../src/server/index.js";
import { answer, noteTroubles, troubles } from "./answering.js";

/** What its clients expose. */
export interface TroubledClient {
  price(n: number): void;
}

/** The service that tests call. */
export class Troubled extends Service<TroubledClient> {
  echo(value: unknown): unknown {
    return value;
  }

  /** Never settles by itself. */
  wait(): Promise<never> {
    return new Promise(() => {});
  }

  /** Calls back each millisecond, and never looks at an outcome. */
  storm(onPrice: (n: number, symbol: string) => void): void {
    let n = 0;
    const symbol = "ACME".repeat(25);
    const timer = setInterval(() => onPrice(++n, symbol), 1);
    this.session.signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** Calls without end, as fast as it can, to a client that does not take them. */
  flood(): void {
    const text = "x".repeat(1_000);
    const timer = setInterval(() => {
      for (let i = 0; i < 200; i++) (this.client as unknown as { log(text: string): void }).log(text);
    }, 1);
    this.session.signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** Calls what does not exist, and does not look. */
  carelessly(): void {
    const client = this.client as unknown as Record<string, (n: number) => void>;
    for (let i = 0; i < 20; i++) client.missing?.(i);
  }

  fail(): never {
    throw new Error("the service is out of order");
  }
}

noteTroubles();
const [port, leaseMs] = process.argv.slice(2).map(Number);
// A small queue: it is full soon after a client died.
const queueBytesMax = 262_144;
const lease = leaseMs === undefined ? {} : { leaseMs };
const server = await serve({ address: `http://127.0.0.1:${port}/WAO`, service: Troubled, queueBytesMax, ...lease });
const ended: string[] = [];
const noteEnd = ({ detail }: CustomEvent<ServerEvents["session_ended"]>) => ended.push(detail.reason.code);
server.addEventListener("session_ended", noteEnd);
let failedCalls = 0;
server.addEventListener("call_failed", () => {
  failedCalls += 1;
});

answer({
  href: () => server.address.href,
  report: () => ({
    sessions: server.sessions.size,
    ended,
    failedCalls,
    troubles,
    heapBytes: process.memoryUsage().heapUsed + process.memoryUsage().external,
  }),
  close: () => server.close(),
});
