/**
 * AbortSignals in arguments: the far side gets one of its own, which is aborted when this one is. A signal is lent as a
 * function that answers with the reason, so it needs no message of its own (spec/rpc.md, section 5.1).
 */
import { callSignal } from "./incoming-call.js";
import { detached } from "./on-behalf.js";
import type { PendingCall } from "./remote-call.js";
import type { CallMaker, StubTarget } from "./stub.js";

/** How many signals one call may bring. */
export const SIGNALS_MAX = 16;

const functions = new WeakMap<AbortSignal, () => Promise<unknown>>();

/** What `signal` is lent as: always the same function, which resolves with the reason when `signal` is aborted. */
export function functionOf(signal: AbortSignal): () => Promise<unknown> {
  let known = functions.get(signal);
  if (!known) {
    known = () => aborted(signal, callSignal());
    functions.set(signal, known);
  }
  return known;
}

/** Resolves with the reason when `signal` is aborted, and with nothing when `stopped` is. */
function aborted(signal: AbortSignal, stopped: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(signal.reason);
    const finish = () => {
      signal.removeEventListener("abort", finish);
      resolve(signal.aborted ? signal.reason : undefined);
    };
    signal.addEventListener("abort", finish);
    stopped.addEventListener("abort", finish);
  });
}

/** A signal of the far side, for as long as a call runs that brought it. */
export class IncomingSignal {
  private readonly controller = new AbortController();
  /** The calls that brought it and are not answered. */
  private users = 0;
  private watch: PendingCall | undefined;

  constructor(
    private readonly target: StubTarget,
    private readonly calls: CallMaker,
  ) {}

  /** One more call has brought it; `isAborted` says that it was aborted before. */
  use(isAborted: boolean): AbortSignal {
    this.users++;
    if (isAborted) this.controller.abort();
    return this.controller.signal;
  }

  /** A method that got it goes on: from now on it is told. */
  follow(): void {
    const { controller } = this;
    if (this.watch || controller.signal.aborted) return;
    const abort = (reason: unknown) => this.users > 0 && controller.abort(reason);
    this.watch = detached(() => this.calls.call(this.target, "", [])) as PendingCall;
    this.watch.then(abort, abort);
  }

  /** A call that brought it is answered. */
  leave(): void {
    if (--this.users > 0) return;
    this.watch?.[Symbol.dispose]();
    this.target.references.release(this.target);
  }
}
