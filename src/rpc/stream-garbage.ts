/** Streams that the application has lost: when what stands for one is collected, nobody reads or writes it any more. */
import type { StreamLoan } from "./stream-owner.js";

const collected =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<StreamLoan>((stream) => stream.discard());

/** Discards `stream` some time after `standing` is collected. */
export function whenCollected(standing: object, stream: StreamLoan): void {
  collected?.register(standing, stream, stream);
}

/** It is over: there is nothing to discard. */
export function forgetCollected(stream: StreamLoan): void {
  collected?.unregister(stream);
}
