/** Spreads seeds over threads. What comes of a seed does not depend on which thread it ran in, or when. */
import { Worker } from "node:worker_threads";
import { addTally, emptyTally, type Tally } from "./outcome.js";
import type { SeedRange } from "./thread.js";

/** Which seeds, and how. */
export interface PoolOptions {
  /** The bundle of thread.ts. */
  readonly file: string;
  readonly from: number;
  readonly count: number;
  readonly threads: number;
  /** Stop soon after the first failure. */
  readonly untilFailure?: boolean;
  /** Called now and then with what has come so far. */
  readonly progress?: (tally: Tally) => void;
}

const SEEDS_A_RANGE = 100;

/** Simulates the seeds; rejects only when a thread dies. */
export async function simulateAll(options: PoolOptions): Promise<Tally> {
  const { file, from, count, threads, untilFailure = false } = options;
  const tally = emptyTally();
  let next = from;
  const end = from + count;
  const nextRange = (): SeedRange | undefined => {
    if (next >= end || (untilFailure && tally.failed.length > 0)) return undefined;
    const range = { from: next, count: Math.min(SEEDS_A_RANGE, end - next), untilFailure };
    next += range.count;
    return range;
  };
  const work = async (): Promise<void> => {
    const worker = new Worker(file);
    try {
      for (let range = nextRange(); range !== undefined; range = nextRange()) {
        addTally(tally, await ask(worker, range));
        options.progress?.(tally);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  tally.failed.sort((a, b) => a.seed - b.seed);
  return tally;
}

function ask(worker: Worker, range: SeedRange): Promise<Tally> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a thread of the simulator ended with ${code}`)));
    worker.postMessage(range);
  });
}
