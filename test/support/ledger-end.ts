/** Numbered calls, and the client's half of the {@link Ledger}: it runs in Node and in a page alike. */
import type { ClientSession } from "../../src/client/index.js";
import type { Ledger } from "./ledger.js";

/** What the ledger's client exposes. */
export interface LedgerClient {
  take(n: number, payload?: Uint8Array): number;
}

/** How many calls one side makes, how many each few milliseconds, and how many octets each one carries. */
export interface Load {
  readonly calls: number;
  readonly atOnce: number;
  readonly everyMs: number;
  readonly payloadBytes: number;
}

/** What one side saw: the numbers that it received, the answers to its own, and every error that a caller saw. */
export interface Tally {
  readonly received: number[];
  readonly answers: number[];
  readonly errors: string[];
}

/** Makes numbered calls at a steady pace, without waiting for answers, and collects all outcomes. */
export async function makeNumberedCalls(
  load: Load,
  call: (n: number, payload: Uint8Array | undefined) => PromiseLike<number>,
): Promise<Pick<Tally, "answers" | "errors">> {
  const answers: number[] = [];
  const errors: string[] = [];
  const open: PromiseLike<void>[] = [];
  const payload = load.payloadBytes > 0 ? new Uint8Array(load.payloadBytes).fill(0xa5) : undefined;
  for (let n = 1; n <= load.calls; n++) {
    const noted = call(n, payload).then(
      (answer) => void answers.push(answer),
      (error: unknown) => void errors.push(`${n}: ${String(error)}`),
    );
    open.push(noted);
    if (n % load.atOnce === 0) await new Promise((resolve) => setTimeout(resolve, load.everyMs));
  }
  await Promise.all(open);
  return { answers, errors };
}

/** Checks what came with a numbered call; returns its number. */
export function checked(n: number, payload: Uint8Array | undefined): number {
  if (payload?.some((octet) => octet !== 0xa5)) throw new Error(`the payload of call ${n} is not what was sent`);
  return n;
}

/** The client's half: `expose` it to a {@link Ledger}. */
export class LedgerEnd {
  readonly received: number[] = [];
  readonly calledBack: number[] = [];
  readonly expose = {
    take: (n: number, payload?: Uint8Array): number => {
      this.received.push(n);
      return checked(n, payload);
    },
  };

  /** Makes calls both ways at once; the tallies of both sides. */
  async run(session: ClientSession<Ledger>, load: Load): Promise<{ client: Tally; service: Tally }> {
    const [down, up] = await Promise.all([
      session.remote.run(load),
      makeNumberedCalls(load, (n, payload) => session.remote.take(n, payload)),
    ]);
    return {
      client: { ...up, received: this.received },
      service: { ...down, received: await session.remote.received() },
    };
  }

  /** Lends a function, then lets the service call it. */
  async lend(session: ClientSession<Ledger>): Promise<void> {
    await session.remote.lend((n) => {
      this.calledBack.push(n);
      return n;
    });
  }
}
