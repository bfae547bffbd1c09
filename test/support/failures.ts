/** What a test expects to be thrown, and seeds that say how to run them again. */

/** What `run` throws; a test fails when it throws nothing. */
export function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** How many seeds a fuzz runs: FUZZ_SEEDS, or as many as an ordinary run affords. */
export const fuzzSeeds = Number(process.env.FUZZ_SEEDS ?? 20_000);

/** Runs `fuzz` with each seed, or with FUZZ_SEED alone. A seed that fails is told as the command that runs it again. */
export function fuzzEach(place: string, fuzz: (seed: number) => void): void {
  const only = process.env.FUZZ_SEED;
  const first = only === undefined ? 0 : Number(only);
  const end = only === undefined ? fuzzSeeds : first + 1;
  for (let seed = first; seed < end; seed++) {
    try {
      fuzz(seed);
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed} npx vitest run ${place}`, { cause: error });
    }
  }
}
