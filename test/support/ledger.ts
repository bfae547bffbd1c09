/** Numbered calls both ways, and what became of each of them: the service. Its client is in ledger-end.ts. */

import { Service } from "../../src/rpc/service.js";
import type { Stub } from "../../src/rpc/types.js";
import { checked, type LedgerClient, type Load, makeNumberedCalls, type Tally } from "./ledger-end.js";

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
    this.#callback = callback as unknown as Stub<typeof callback>;
  }

  received(): number[] {
    return this.#received;
  }

  echo(octets: Uint8Array): Uint8Array {
    return octets;
  }
}
