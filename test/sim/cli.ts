/**
 * `npm run sim -- --seeds 100000` looks for a seed that fails; `npm run sim -- --seed 123 --trace` replays one.
 * Others: --from, --threads, --coverage.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundleThread } from "./bundle.js";
import { faultKinds } from "./faults.js";
import { coverage, type Tally } from "./outcome.js";
import { simulateAll } from "./pool.js";
import { simulate } from "./simulation.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    trace: { type: "boolean" },
    seeds: { type: "string", default: "20000" },
    from: { type: "string", default: "1" },
    threads: { type: "string", default: String(availableParallelism()) },
    coverage: { type: "boolean" },
  },
});

process.exitCode = values.seed === undefined ? await search() : await replay(Number(values.seed));

/** One seed, octet for octet, with its lines if they are wanted. */
async function replay(seed: number): Promise<number> {
  const print = values.trace ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  try {
    const { hash, events, deliveries } = await simulate(seed, print);
    console.log(`seed ${seed} holds: ${events} events, ${deliveries} messages, history ${hash.toString(16)}`);
    return 0;
  } catch (error) {
    console.log(`seed ${seed} fails: ${String(error)}`);
    if (values.trace) console.log((error as Error).stack);
    return 1;
  }
}

/** Many seeds in threads. */
async function search(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "duowire-sim-"));
  const began = performance.now();
  try {
    const file = join(folder, "thread.mjs");
    await bundleThread(file);
    const [from, count, threads] = [Number(values.from), Number(values.seeds), Number(values.threads)];
    const tally = await simulateAll({ file, from, count, threads, progress: progressPrinter(count) });
    report(tally, (performance.now() - began) / 1e3);
    return tally.failed.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function progressPrinter(count: number): (tally: Tally) => void {
  let printed = 0;
  return ({ histories, failed }) => {
    if (!process.stderr.isTTY || histories - printed < count / 100) return;
    printed = histories;
    process.stderr.write(`\r${histories} of ${count} seeds, ${failed.length} failed`);
  };
}

function report(tally: Tally, seconds: number): void {
  const { histories, events, deliveries, failed, recoveryMsMax, counts } = tally;
  if (process.stderr.isTTY) process.stderr.write("\r");
  if (values.coverage) console.log(coverage(faultKinds, counts).lines.join("\n"));
  console.log(`${histories} seeds, ${events} events, ${deliveries} messages in ${seconds.toFixed(1)} s`);
  console.log(`the slowest recovery took ${Math.round(recoveryMsMax)} ms`);
  for (const { seed, message } of failed.slice(0, 20))
    console.log(`npm run sim -- --seed ${seed} --trace   # ${message}`);
  console.log(`${failed.length} seeds failed`);
}
