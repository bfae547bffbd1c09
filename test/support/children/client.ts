/** A client that can be killed, or be watched for what it lets happen in its process. Its argument is the address. */
import { connect, type DuowireError } from "../../../src/client/index.js";
import { answer, noteTroubles, troubles } from "./answering.js";
import type { Troubled } from "./server.js";

noteTroubles();
let prices = 0;
const expose = {
  price: () => {
    throw new Error("the client is out of order");
  },
  log: () => new Promise<void>(() => {}),
};
const session = connect<Troubled>(process.argv[2] ?? "", { expose, connectTimeoutMs: 2_000 });
const failures: string[] = [];
session.addEventListener("call_failed", ({ detail }) => failures.push((detail.error as DuowireError).code));

answer({
  storm: () =>
    session.remote.storm(() => {
      prices += 1;
    }),
  flood: () => session.remote.flood(),
  prices: () => prices,
  id: async () => {
    await session.opened;
    return session.address.id;
  },
  /** Makes every kind of call that fails, and looks at none of them. */
  carelessly: async () => {
    await session.opened;
    const { remote } = session;
    const untyped = remote as unknown as Record<string, (...args: unknown[]) => unknown>;
    remote.fail();
    untyped.missing?.();
    untyped.echo?.(Symbol("cannot be sent"));
    untyped.echo?.(new Uint8Array(5_000_000));
    session.with({ timeoutMs: 5 }).remote.wait();
    session.with({ signal: AbortSignal.abort() }).remote.wait();
    for (let i = 0; i < 20; i++) remote.wait();
    remote.carelessly();
    await remote.echo(1);
  },
  close: () => session.close(),
  report: () => ({ troubles, failures, state: session.state }),
});
