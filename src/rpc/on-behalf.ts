/**
 * Calls that a method makes while it answers a call: made on that call's behalf, they end with it (D14). Which call is
 * being answered is kept where an `await` does not lose it, if the platform has such a place.
 */
import type { DuowireError } from "../base/errors.js";
import type { IncomingCall } from "./incoming-call.js";
import { localError } from "./messages.js";
import type { PendingCall } from "./remote-call.js";
import type { CallOptions } from "./stub.js";

/** What an `AsyncLocalStorage` of Node does: a value that a function sees, and all that it starts. */
export interface ContextStorage {
  run<T>(value: unknown, run: () => T): T;
  getStore(): unknown;
}

/** Where there is nothing better: a method is known until its first `await`. */
class SynchronousStorage implements ContextStorage {
  private value: unknown;

  run<T>(value: unknown, run: () => T): T {
    const outer = this.value;
    this.value = value;
    try {
      return run();
    } finally {
      this.value = outer;
    }
  }

  getStore(): unknown {
    return this.value;
  }
}

let storage: ContextStorage = new SynchronousStorage();

/** Keeps the call that is being answered in `better` from now on, in this whole process: in Node, across `await`. */
export function keepCallsIn(better: ContextStorage): void {
  storage = better;
}

/** Runs a method as the answer to `call`. */
export function runAs<T>(call: IncomingCall, run: () => T): T {
  return storage.run(call, run);
}

/** The call that is being answered here, or was until now. */
export function currentCall(): IncomingCall | undefined {
  return storage.getStore() as IncomingCall | undefined;
}

/**
 * Runs `run` outside of the call that is being answered: calls that it makes are not cancelled with that call, and not
 * bound to its deadline. For what must be said also when the caller has given up, and for work that outlives the call.
 */
export function detached<T>(run: () => T): T {
  return storage.run(undefined, run);
}

/** What a call is made with on behalf of `answered`. Throws `cancelled` or `deadline_exceeded` if that was stopped. */
export function inherit(
  answered: IncomingCall,
  options: CallOptions | undefined,
  nowMs: number,
): CallOptions | undefined {
  if (answered.stopped) throw stoppedWith(answered.stopped);
  const leftMs = answered.dueAt - nowMs;
  if (leftMs === Number.POSITIVE_INFINITY) return options;
  if (leftMs <= 0)
    throw localError("deadline_exceeded", "the call on whose behalf this one is made is past its deadline");
  return { ...options, timeoutMs: Math.min(leftMs, options?.timeoutMs ?? leftMs) };
}

/** `call` was made on behalf of `answered`. */
export function follow(answered: IncomingCall, call: PendingCall): void {
  if (call.isSettled) return;
  answered.made ??= new Set();
  call.madeFor = answered.made.add(call);
}

/** Gives up what was made on behalf of a call that is stopped. */
export function stopMade(answered: IncomingCall, reason: DuowireError): void {
  const made = answered.made ?? [];
  answered.made = undefined;
  const code = reason.code === "deadline_exceeded" ? reason.code : "cancelled";
  for (const call of made) call.owner.abandon(call, code, reason);
}

function stoppedWith(reason: DuowireError): DuowireError {
  const code = reason.code === "deadline_exceeded" ? reason.code : "cancelled";
  return localError(code, "the call on whose behalf this one is made was stopped", { cause: reason });
}
