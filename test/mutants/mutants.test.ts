import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundleThread } from "../sim/bundle.js";
import { simulateAll } from "../sim/pool.js";
import { mutants } from "./mutants.js";

const SEEDS_MAX = 10_000;
const THREADS = 2;
const TIMEOUT_MS = 300_000;

const folder = mkdtempSync(join(tmpdir(), "duowire-mutants-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("mutants are at least sixteen, each with a name of its own", () => {
  expect(mutants.length).toBeGreaterThanOrEqual(16);
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});

test.each(mutants.map((mutant, index) => ({ ...mutant, index })))(
  "mutant is found: $name",
  { timeout: TIMEOUT_MS },
  async (mutant) => {
    const file = join(folder, `${mutant.index}.mjs`);
    await bundleThread(file, mutant);
    const { failed } = await simulateAll({ file, from: 1, count: SEEDS_MAX, threads: THREADS, untilFailure: true });
    const [found] = failed;
    expect(found, `${SEEDS_MAX} seeds did not notice it`).toBeDefined();
    console.info(`seed ${found?.seed} finds by the rule "${found?.rule}": ${mutant.name}`);
  },
);
