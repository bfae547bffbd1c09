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
  for (const seed of seedsToRun()) {
    try {
      fuzz(seed);
    } catch (error) {
      throw seedFailed(place, seed, error);
    }
  }
}

/** Likewise for what takes turns of the event loop, and so much longer. Returns how many seeds ran. */
export async function fuzzInTurns(place: string, fuzz: (seed: number) => Promise<void>): Promise<number> {
  const all = [...seedsToRun()];
  const seeds = process.env.FUZZ_SEEDS === undefined ? all.slice(0, Math.ceil(all.length / 5)) : all;
  for (let first = 0; first < seeds.length; first += SEEDS_AT_ONCE) {
    const some = seeds.slice(first, first + SEEDS_AT_ONCE);
    const failed = (seed: number) => (error: unknown) => Promise.reject(seedFailed(place, seed, error));
    await Promise.all(some.map((seed) => fuzz(seed).catch(failed(seed))));
  }
  return seeds.length;
}

const SEEDS_AT_ONCE = 200;

function* seedsToRun(): Generator<number> {
  const only = process.env.FUZZ_SEED;
  if (only !== undefined) yield Number(only);
  else for (let seed = 0; seed < fuzzSeeds; seed++) yield seed;
}

function seedFailed(place: string, seed: number, cause: unknown): Error {
  return new Error(`FUZZ_SEED=${seed} npx vitest run ${place}`, { cause });
}

/** Notes how long each of many seeds took, and tells the longest where FUZZ_SEEDS asks for a long run. */
export function worstOf(what: string) {
  // A few: a busy machine stretches one or another.
  const longest: { ms: number; seed: number }[] = [];
  return {
    note: (ms: number, seed: number) => {
      if (longest.length === LONGEST && ms <= (longest[0]?.ms as number)) return;
      longest.push({ ms, seed });
      longest.sort((one, other) => one.ms - other.ms);
      if (longest.length > LONGEST) longest.shift();
    },
    longest: longest as readonly { readonly ms: number; readonly seed: number }[],
    tell: (count: number) => {
      if (process.env.FUZZ_SEEDS === undefined) return;
      const all = longest.map(({ ms, seed }) => `${ms.toFixed(1)} ms (seed ${seed})`);
      console.info(`${count} seeds; the longest of ${what}: ${all.join(", ")}`);
    },
  };
}

const LONGEST = 3;
