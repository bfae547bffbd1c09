/** Calls that failed before anybody looked at them: what their owner is told of them (D16, D23). */
import { DuowireError } from "../base/errors.js";
import { localError, type PeerContext } from "./messages.js";
import type { PendingCall } from "./remote-call.js";

/** The failed calls of one turn. Who wants to look at a call does so before the turn ends. */
export class UnobservedCalls {
  private failed: PendingCall[] | undefined;

  constructor(private readonly context: PeerContext) {}

  /** A call was rejected, and nobody has asked for its outcome yet. */
  add(call: PendingCall): void {
    if (!this.failed) {
      this.failed = [];
      this.context.clock.atTurnEnd(() => this.report());
    }
    this.failed.push(call);
  }

  private report(): void {
    const { events } = this.context;
    const calls = this.failed ?? [];
    this.failed = undefined;
    let overflow: DuowireError | undefined;
    for (const { isObserved, method, error } of calls) {
      if (isObserved) continue;
      events.callFailed?.(method, error);
      if (error instanceof DuowireError && error.code === "queue_full" && error.outcome === "not_sent")
        overflow = error;
    }
    if (overflow) events.slowConsumer?.(localError("slow_consumer", undefined, { cause: overflow }));
  }
}
