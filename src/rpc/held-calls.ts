/** Calls of this side that run through interceptors: until one of them lets a call go on, it is held, and not made. */
import type { DuowireError } from "../base/errors.js";
import { endError, notMade } from "./call-failures.js";
import { dueAtOf, watchCall } from "./deadline.js";
import { type InterceptedCall, type Interceptor, intercept } from "./interceptors.js";
import { localError, type PeerContext } from "./messages.js";
import type { PendingCall } from "./remote-call.js";
import type { CallOptions } from "./stub.js";

/** One peer's calls that are held. */
export class HeldCalls {
  private readonly held = new Set<PendingCall>();

  constructor(
    private readonly context: PeerContext,
    private readonly interceptors: readonly Interceptor[],
    private readonly make: (call: PendingCall, args: readonly unknown[], options: CallOptions | undefined) => void,
  ) {}

  /** Runs the interceptors around a call. Its time runs from now on, and it may be cancelled, whatever they do. */
  run(call: PendingCall, args: readonly unknown[], options: CallOptions | undefined): void {
    const { clock, session } = this.context;
    const metadata = { ...options?.metadata };
    const rest = { args: [...args], metadata, session: session?.() };
    const seen = { direction: "outgoing", method: call.method, ...rest } as const;
    let dueAt: number | undefined;
    try {
      const { signal, timeoutMs } = options ?? {};
      if (signal?.aborted) throw localError("cancelled", undefined, { cause: signal.reason });
      dueAt = dueAtOf(clock, timeoutMs);
    } catch (error) {
      return notMade(call, error);
    }
    call.options = options;
    watchCall(call, clock, dueAt, (code, cause) => call.owner.abandon(call, code, cause));
    this.held.add(call);
    const outcome = intercept(this.interceptors, seen as InterceptedCall, () => {
      this.letGo(call);
      if (call.isSettled) return call.answer();
      call.cleanUp?.();
      const timeoutMs = dueAt === undefined ? undefined : Math.max(0, dueAt - clock.monotonicMs());
      const own = Object.keys(metadata).length > 0 ? { ...options, metadata } : options;
      this.make(call, seen.args, own && { ...own, timeoutMs });
      // Calls of its result have the whole time again.
      if (call.options) call.options = { ...call.options, timeoutMs: options?.timeoutMs };
      return call.answer();
    });
    call.replaceOutcome(outcome, this.held.has(call));
    const letGo = () => this.letGo(call);
    outcome.then(letGo, letGo);
  }

  /** The session is over: nothing that is held will be made. */
  end(reason: DuowireError): void {
    for (const call of this.held) if (!call.isSettled) call.reject(endError(reason, false));
  }

  private letGo(call: PendingCall): void {
    this.held.delete(call);
    call.cut = undefined;
  }
}
