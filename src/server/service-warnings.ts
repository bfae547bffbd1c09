/** Tells of a service's errors when nobody else does: warnings of the process, once per kind, not too many (D24). */
import type { Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { stackOf } from "../base/thrown.js";
import { RemoteError } from "../rpc/remote-error.js";
import type { ServerEvents } from "./server.js";

/** Kinds that are remembered; the oldest is forgotten first. */
const KINDS_MAX = 256;
/** At most one warning in this time. */
const PAUSE_MS = 100;

/** The warnings of one server. */
export class ServiceWarnings {
  readonly #kinds = new Set<string>();
  #quietUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly clock: Clock) {}

  /** Warns of an error unless one of its kind (service, method, place in the code) was warned of before. */
  warn(service: string, method: string, error: unknown): void {
    // What a service refuses on purpose, and what its client threw, are no faults of the service.
    if (error instanceof DuowireError || error instanceof RemoteError) return;
    const stack = stackOf(error);
    const message = `${service}.${method} threw, and nothing listens to the server's service_error: ${stack}`;
    this.#emit(`${service}.${method} ${placeIn(stack)}`, message, "DuowireServiceError");
  }

  /** Warns of a listener of the server's event `type` that failed, once for each place in the code. */
  warnOfListener(type: string, error: unknown): void {
    const stack = stackOf(error);
    const message = `a listener of the server's ${type} threw, and none of error took it: ${stack}`;
    this.#emit(`${type} ${placeIn(stack)}`, message, "DuowireListenerError");
  }

  /** Warns of a thread or process that ended although nobody wanted it to. */
  warnOfCarrier({ service, kind, number, reason, sessions, error }: ServerEvents["carrier_ended"]): void {
    const stack = error instanceof Error ? `: ${stackOf(error)}` : "";
    const what = `a ${kind} of ${service} (${number}, ${sessions} sessions) has ended`;
    const message = `${what}, and nothing listens to the server's carrier_ended: ${reason}${stack}`;
    this.#emit(`${service} ${reason}`, message, "DuowireCarrierEnded");
  }

  #emit(kind: string, message: string, type: string): void {
    const now = this.clock.monotonicMs();
    if (this.#kinds.has(kind) || now < this.#quietUntil) return;
    this.#quietUntil = now + PAUSE_MS;
    this.#kinds.add(kind);
    for (const oldest of this.#kinds) if (this.#kinds.size > KINDS_MAX) this.#kinds.delete(oldest);
    process.emitWarning(message, { type });
  }
}

/** Where in the code it was thrown, if that is known. */
function placeIn(stack: string): string {
  return stack.split("\n").find((line) => line.trimStart().startsWith("at ")) ?? stack.slice(0, 80);
}
