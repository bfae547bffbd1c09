/**
 * Numbered calls both ways, and what became of each of them: the service, and the client's half, which runs in Node
 * and in a page alike.
 */
import type { ClientSession } from "../../src/client/index.js";
import type { Stub } from "../../src/rpc/types.js";
import { Service } from "../../src/rpc/service.js";

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

/** Checks what came with a numbered call. */
function checked(n: number, payload: Uint8Array | undefined): number {
  if (payload?.some((octet) => octet !== 0xa5)) throw new Error(`the payload of call ${n} is not what was sent`);
  return n;
}

/** The service: takes numbered calls, makes its own, and calls back functions that it was lent. */
export class Ledger extends Service<LedgerClient> {
  readonly #received: number[] = [];
  #callback: Stub<(n: number) => number> | undefined;

  take(n: number, payload?: Uint8Array): number {
    this.#received.push(n);
    return checked(n, payload);
  }

  /** Makes its own numbered calls of the client; settles when all are answered. */
  async run(load: Load): Promise<Pick<Tally, "answers" | "errors">> {
    return makeNumberedCalls(load, (n, payload) => this.client.take(n, payload));
  }

  /** The same with calls of the function that {@link lend} brought. */
  async runCallback(load: Load): Promise<Pick<Tally, "answers" | "errors">> {
    const callback = this.#callback;
    if (callback === undefined) throw new Error("no function was lent");
    return makeNumberedCalls(load, (n) => callback(n));
  }

  lend(callback: (n: number) => number): void {
    this.#callback = callback as Stub<typeof callback>;
  }

  received(): number[] {
    return this.#received;
  }

  echo(octets: Uint8Array): Uint8Array {
    return octets;
  }
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
