/** A call of the far side from its arrival to its answer, and what the method that it runs can ask about it. */
import type { CancelTimer } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { type Metadata, noMetadata } from "./call-options.js";
import type { CallSession } from "./interceptors.js";
import { currentCall, stopMade } from "./on-behalf.js";
import type { Named } from "./pipelining.js";
import type { Taken } from "./references.js";
import type { PendingCall } from "./remote-call.js";
import type { IncomingSignal } from "./signals.js";

/** A call from its arrival until its answer is given to the session. */
export class IncomingCall {
  args: unknown[] | undefined;
  /** When its deadline passes, on this side's monotonic clock. */
  dueAt = Number.POSITIVE_INFINITY;
  metadata: Metadata = noMetadata;
  /** Octets of its message. */
  bytes = 0;
  /** Why it is not to be started. */
  refusal: DuowireError | undefined;
  /** Stubs and streams that came with it. */
  taken: Taken[] | undefined;
  /** Why it was stopped: the answer, when the method ends. */
  stopped: DuowireError | undefined;
  cancelTimer: CancelTimer | undefined;
  /** The results that its arguments name, and how many results it waits for. */
  named: Map<number, Named> | undefined;
  signals: IncomingSignal[] | undefined;
  left = 0;
  /** Calls made on its behalf. */
  made: Set<PendingCall> | undefined;
  /** Answered: nothing is made on its behalf any more. */
  isFinished = false;
  /** The answer, while it waits for room. */
  answer: { readonly type: number; readonly value: unknown } | undefined;
  private controller: AbortController | undefined;

  constructor(
    readonly number: number,
    readonly target: number,
    readonly method: string,
    readonly session?: (() => CallSession) | undefined,
  ) {}

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.stopped) this.controller.abort(this.stopped);
    return this.controller.signal;
  }

  stop(reason: DuowireError): void {
    if (this.stopped) return;
    this.stopped = reason;
    this.controller?.abort(reason);
    if (this.made) stopMade(this, reason);
  }

  /** It is answered: what it started goes on without it. */
  finish(): void {
    this.isFinished = true;
    this.made = undefined;
    if (!this.signals) return;
    for (const signal of this.signals) signal.leave();
    this.signals = undefined;
  }
}

/** Answers that this library gives in place of a method, each with what its owner is told, if anything. */
const refusals = new WeakMap<object, { readonly told: unknown }>();

/** Ends the call that runs with an answer of this library's own; `told` is for the owner, as what the service threw. */
export function refuseCall(answer: DuowireError, told?: unknown): never {
  refusals.set(answer, { told });
  throw answer;
}

/** What was given to {@link refuseCall}. */
export function refusalOf(error: unknown): { readonly told: unknown } | undefined {
  return error instanceof DuowireError ? refusals.get(error) : undefined;
}

/** What a method can know of the call that it answers, besides its arguments. */
export interface CallContext {
  /** The method's name; "" for a function that was passed. */
  readonly method: string;
  /** What the caller said beside the arguments: `session.with({ metadata })`. It is the caller's word, not checked. */
  readonly metadata: Metadata;
  /** The session that the call came over; undefined outside of a call. */
  readonly session: CallSession | undefined;
  /** Who the caller is, if the server's `authorize` said so. */
  readonly principal: string | undefined;
  /** As {@link callSignal}. */
  readonly signal: AbortSignal;
}

/**
 * Inside a method that the far side called: what is known of the call besides its arguments. In a browser, and in a
 * program of Node without a server, only before the method's first `await`. Elsewhere, such as when a test calls the
 * method directly: no metadata, no session, and a signal never aborted.
 */
export function callContext(): CallContext {
  const call = currentCall() ?? new IncomingCall(0, 0, "");
  const session = call.session?.();
  return {
    method: call.method,
    metadata: call.metadata,
    session,
    principal: session?.principal,
    get signal() {
      return call.signal;
    },
  };
}

/**
 * Inside a method that the far side called: a signal that is aborted when the caller cancels, when the call's deadline
 * passes, and when the session ends; its reason is a DuowireError. In a browser, and in a program of Node without a
 * server, only before the method's first `await`. Elsewhere, such as when a test calls the method directly, a signal
 * that is never aborted.
 */
export function callSignal(): AbortSignal {
  return (currentCall() ?? new IncomingCall(0, 0, "")).signal;
}
