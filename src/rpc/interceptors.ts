/**
 * What runs around calls, at either side: for logs, traces, and to let calls in. Where none is set, nothing of this is
 * run.
 */
import { localError } from "./messages.js";

/** What the sessions of both sides have in common. */
export interface CallSession {
  readonly address: { readonly href: string };
  readonly state: string;
  /** At the server: who the client is, if `authorize` said so. */
  readonly principal?: string | undefined;
}

/** A call as an interceptor sees it. */
export interface InterceptedCall<Session extends CallSession = CallSession> {
  /** Whether this side makes the call (`outgoing`) or answers it (`incoming`). */
  readonly direction: "outgoing" | "incoming";
  /** The method's name; "" for a function that was passed. */
  readonly method: string;
  /** What it is called with. An interceptor may put other values in, before `next()`. */
  readonly args: unknown[];
  /** What travels beside the arguments. Of an outgoing call an interceptor may add to it, before `next()`. */
  readonly metadata: Record<string, string>;
  readonly session: Session;
}

/**
 * Runs around a call: `next()` makes or runs it, once, and settles as it does; what the interceptor returns or throws
 * takes the place of that.
 *
 * Calls start in the order made as long as interceptors call `next()` before their first `await`; one that awaits first
 * lets later calls overtake, and what names its result in the meantime is refused `invalid_argument`. A call that it
 * holds so is not made any more when it was cancelled, its time is over or the session has ended. It is not asked
 * about calls that are not started (`method_unknown`, `cancelled`), nor at the sender about a group's calls, which are
 * written once for all members.
 */
export type Interceptor<Session extends CallSession = CallSession> = (
  call: InterceptedCall<Session>,
  next: () => Promise<unknown>,
) => unknown;

/** Runs `innermost` inside of all interceptors, the first of them outermost. Its result must be no thenable data. */
export function intercept(
  interceptors: readonly Interceptor[],
  call: InterceptedCall,
  innermost: () => unknown,
): Promise<unknown> {
  const run = async (at: number): Promise<unknown> => {
    const interceptor = interceptors[at];
    if (!interceptor) return innermost();
    let isCalled = false;
    return interceptor(call, () => {
      if (isCalled) throw localError("invalid_argument", "an interceptor calls next() once: no call is made twice");
      isCalled = true;
      const outcome = run(at + 1);
      // Nobody has to look at it.
      outcome.catch(() => {});
      return outcome;
    });
  };
  return run(0);
}
