import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleThread } from "./bundle.js";
import { faultKinds } from "./faults.js";
import { coverage, type Tally } from "./outcome.js";
import { simulateAll } from "./pool.js";
import { simulate } from "./simulation.js";

const SEEDS = 20_000;
const THREADS = 2;
const MINUTES = 60_000;

const folder = mkdtempSync(join(tmpdir(), "duowire-sim-"));
let tally: Tally;

beforeAll(async () => {
  const file = join(folder, "thread.mjs");
  await bundleThread(file);
  const began = performance.now();
  tally = await simulateAll({ file, from: 1, count: SEEDS, threads: THREADS });
  const seconds = ((performance.now() - began) / 1e3).toFixed(1);
  console.info(`${SEEDS} seeds, ${tally.events} events, ${tally.deliveries} messages in ${seconds} s`);
}, 5 * MINUTES);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("simulation holds for every seed", () => {
  const commands = tally.failed
    .slice(0, 10)
    .map(({ seed, message }) => `npm run sim -- --seed ${seed} --trace  # ${message}`);
  expect(tally.failed.length, `\n${commands.join("\n")}\n`).toBe(0);
  expect(tally.histories).toBe(SEEDS);
});

test("simulation lets every fault meet every state", () => {
  const { lines, never } = coverage(faultKinds, tally.counts);
  console.info(lines.join("\n"));
  expect(never).toEqual([]);
});

test("simulation ends sessions in every way that it plans", () => {
  const marks = [...tally.counts.keys()];
  const endings = [
    "client_closes",
    "server_closes",
    "both_close",
    "client_vanishes",
    "server_dies",
    "rival_takes_over",
  ];
  expect(endings.filter((name) => !marks.includes(`ending ${name}`))).toEqual([]);
  const reasons = ["closed", "superseded", "unreachable", "lease_expired", "session_ended", "session_unknown"];
  expect(reasons.filter((code) => !marks.includes(`client ends: ${code}`))).toEqual([]);
});

test("simulation replays a seed octet for octet", async () => {
  for (const seed of [1, 2, 3, 17, 18, 19]) {
    const lines: [string[], string[]] = [[], []];
    const first = await simulate(seed, (line) => lines[0].push(line));
    const second = await simulate(seed, (line) => lines[1].push(line));
    expect(lines[1]).toEqual(lines[0]);
    expect(lines[0].length).toBeGreaterThan(300);
    // The trace changes nothing, and neither does the seed before.
    const untraced = await simulate(seed);
    expect([second.hash, untraced.hash]).toEqual([first.hash, first.hash]);
  }
});
