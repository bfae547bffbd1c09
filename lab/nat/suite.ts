/** Runs many scenarios, a few at a time, and prints the table. */
import { writeFileSync } from "node:fs";
import { type Row, remarksOf, rowOf, summaryOf, tableOf } from "./judge/report.js";
import { type RunOptions, runScenario } from "./judge/run.js";
import type { Scenario } from "./judge/scenario.js";
import { scenarios } from "./judge/scenarios.js";
import { FULL_SECONDS, LABS_MAX, QUICK_SECONDS, type RunWords } from "./run-options.js";

/** Which scenarios, and how. */
export interface SuiteOptions extends RunOptions {
  readonly chosen: readonly Scenario[];
  /** Labs at once. Each has processes of its own; what it measures suffers when they fight for the processors. */
  readonly labsMax: number;
}

/** The few that run on every change. */
export const quickSuite: SuiteOptions = {
  peer: "duowire",
  chosen: scenarios.filter((scenario) => scenario.quick),
  seconds: QUICK_SECONDS,
  timeFactor: 1,
  labsMax: LABS_MAX,
};

/** Runs them, at most `labsMax` at once; rows come in the order of the list. */
export async function judgeAll(options: SuiteOptions, onRow: (row: Row) => void = () => undefined): Promise<Row[]> {
  const rows = new Map<Scenario, Row>();
  const waiting = [...options.chosen];
  const worker = async () => {
    for (let scenario = waiting.shift(); scenario; scenario = waiting.shift()) {
      const outcome = await runScenario(scenario, options).catch((error: Error) => ({ failed: error.message }));
      const row: Row =
        "failed" in outcome
          ? { scenario: scenario.name, result: scenario.needs ? "not yet" : "FAILED", reason: outcome.failed }
          : rowOf(scenario, outcome);
      rows.set(scenario, row);
      onRow(row);
    }
  };
  await Promise.all(Array.from({ length: options.labsMax }, worker));
  return options.chosen.flatMap((scenario) => rows.get(scenario) ?? []);
}

/** The command `run`; its exit code. */
export async function runSuite(values: RunWords): Promise<number> {
  const names = values.only?.split(",");
  const chosen = scenarios.filter(({ name, quick }) => (names ? names.includes(name) : values.all || quick));
  const seconds = Number(values.seconds ?? (values.all ? FULL_SECONDS : QUICK_SECONDS));
  const startedAt = Date.now();
  const options = { peer: values.peer, chosen, seconds, timeFactor: 1, labsMax: Number(values.labs) };
  const rows = await judgeAll(options, (row) => {
    console.error(`${row.result.padEnd(12)} ${row.scenario}${row.reason ? `: ${row.reason}` : ""}`);
    if (values.notes && row.verdict) console.error([...row.verdict.notes, row.verdict.complaints].join("\n"));
  });
  if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`);
  console.log(`\n${values.peer}, counts are up/down, ${Math.round((Date.now() - startedAt) / 1000)} s\n`);
  console.log([tableOf(rows), remarksOf(rows), summaryOf(rows)].filter((part) => part !== "").join("\n\n"));
  return rows.some((row) => row.result === "FAILED") ? 1 : 0;
}
