/** A thread of the simulator: gets ranges of seeds, gives back what came of them. */
import { type MessagePort, parentPort } from "node:worker_threads";
import { SimulationFailure } from "./failure.js";
import { emptyTally, type Tally } from "./outcome.js";
import { simulate } from "./simulation.js";

/** Some seeds, one behind the other. */
export interface SeedRange {
  readonly from: number;
  readonly count: number;
  /** Stop at the first that fails. */
  readonly untilFailure: boolean;
}

/** Simulates a range of seeds. */
export async function simulateRange({ from, count, untilFailure }: SeedRange): Promise<Tally> {
  const tally = emptyTally();
  for (let seed = from; seed < from + count; seed++) {
    tally.histories += 1;
    try {
      const outcome = await simulate(seed);
      tally.events += outcome.events;
      tally.deliveries += outcome.deliveries;
      tally.recoveryMsMax = Math.max(tally.recoveryMsMax, outcome.recoveryMs);
      for (const [mark, times] of outcome.counts) tally.counts.set(mark, (tally.counts.get(mark) ?? 0) + times);
    } catch (error) {
      const rule = error instanceof SimulationFailure ? error.rule : "error";
      tally.failed.push({ seed, rule, message: String(error) });
      if (untilFailure) break;
    }
  }
  return tally;
}

function serve(port: MessagePort): void {
  // Refusals are errors, and thousands of them are made here; nobody looks at their stacks.
  Error.stackTraceLimit = 0;
  port.on("message", (range: SeedRange) => {
    void simulateRange(range).then((tally) => port.postMessage(tally));
  });
}

if (parentPort !== null) serve(parentPort);
