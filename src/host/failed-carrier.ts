/** A carrier that could not even be started, such as for want of memory: it ended before it began. */
import type { Socket } from "node:net";
import type { Carrier, CarrierEnd, CarrierKind, CarrierOptions, StartCarrier } from "./carrier.js";
import { explainEnd } from "./carrier-end.js";
import { Readiness } from "./readiness.js";

/** Makes of a way to start carriers, which may throw, one that never does. */
export function neverThrowing(kind: CarrierKind, start: StartCarrier): StartCarrier {
  return (options) => {
    try {
      return start(options);
    } catch (error) {
      return new FailedCarrier(kind, options, error);
    }
  };
}

/** Why a carrier whose start failed has ended. */
export function notStarted(error: unknown): { readonly cause: "start_failed"; readonly reason: string } {
  return {
    cause: "start_failed",
    reason: `it could not be started (${error instanceof Error ? error.message : error})`,
  };
}

class FailedCarrier implements Carrier {
  /** The system gave it no number. */
  readonly number = 0;
  readonly ready: Promise<void>;
  readonly ended: Promise<CarrierEnd>;

  constructor(
    readonly kind: CarrierKind,
    { module, limits }: CarrierOptions,
    error: unknown,
  ) {
    const exit = { code: undefined, signal: undefined, error };
    this.ended = Promise.resolve(explainEnd(exit, { limits, killed: notStarted(error) }));
    this.ready = new Readiness(module, this.ended).ready;
  }

  post(_message: unknown, socket?: Socket): void {
    socket?.destroy();
  }

  listen(): void {}

  kill(): void {}
}
