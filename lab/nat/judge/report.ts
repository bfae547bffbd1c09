/** The judge's table. Pure. */
import type { Verdict } from "./verdict.js";

/** What is printed of a scenario. `promised` false: it may fail, since the library still lacks what it needs. */
export interface Row {
  readonly scenario: string;
  readonly result: "passed" | "FAILED" | "not yet" | "passed early" | "skipped";
  readonly reason: string;
  readonly verdict?: Verdict;
}

/** The row of a scenario's outcome. */
export function rowOf(scenario: { name: string; needs?: string }, outcome: Verdict | { skipped: string }): Row {
  if ("skipped" in outcome) return { scenario: scenario.name, result: "skipped", reason: outcome.skipped };
  const passed = outcome.broken.length === 0;
  const result = scenario.needs === undefined ? (passed ? "passed" : "FAILED") : passed ? "passed early" : "not yet";
  const needs = result === "not yet" ? `needs ${scenario.needs}; ` : "";
  return { scenario: scenario.name, result, reason: needs + outcome.broken.join("; "), verdict: outcome };
}

const COLUMNS = [
  "scenario",
  "result",
  "lost",
  "doubled",
  "disorder",
  "failed",
  "hung",
  "kept",
  "recovery ms",
  "first",
  "p50",
  "p99",
  "ever",
  "late",
];

/** The table: of each count, up and down with a stroke between. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ scenario, result, verdict }) => (verdict ? cellsOf(result, verdict) : [scenario, result]));
  const widths = COLUMNS.map((title, index) => Math.max(title.length, ...cells.map((row) => row[index]?.length ?? 0)));
  const show = (row: readonly string[]) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [COLUMNS, ...cells].map(show).join("\n");
}

function cellsOf(result: string, verdict: Verdict): string[] {
  const { up, down } = verdict;
  return [
    verdict.scenario,
    result,
    `${up.lost}/${down.lost}`,
    `${up.doubled}/${down.doubled}`,
    `${up.outOfOrder}/${down.outOfOrder}`,
    `${up.failed}/${down.failed}`,
    `${up.hung}/${down.hung}`,
    verdict.kept ? "yes" : "no",
    recoveries(verdict.recoveryMs),
    show(verdict.firstResultMs),
    show(verdict.p50Ms),
    show(verdict.p99Ms),
    show(verdict.p99EverMs),
    show(verdict.lateMs),
  ];
}

/** All of a few, the slowest of many. */
function recoveries(values: readonly (number | null)[]): string {
  if (values.length <= 3) return values.map(show).join(" ") || "-";
  return values.includes(null) ? "never" : `≤ ${show(Math.max(...(values as number[])))}`;
}

function show(value: number | null): string {
  return value === null ? "never" : value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** What follows the table: why each that did not pass did not, and the list that is to shrink. */
export function remarksOf(rows: readonly Row[]): string {
  const remarks = rows.filter((row) => row.reason !== "").map((row) => `${row.scenario}: ${row.result}: ${row.reason}`);
  for (const { scenario, verdict } of rows) {
    const [complaint] = verdict?.complaints.split("\n") ?? [];
    if (complaint) remarks.push(`${scenario}: printed by a process, first line: ${complaint}`);
  }
  const early = rows.filter((row) => row.result === "passed early").map((row) => row.scenario);
  if (early.length > 0) remarks.push(`take "needs" from scenarios.ts for ${early.join(", ")}: they pass now`);
  return remarks.join("\n");
}

/** The last line. */
export function summaryOf(rows: readonly Row[]): string {
  const many = (...results: Row["result"][]) => rows.filter((row) => results.includes(row.result)).length;
  const skipped = many("skipped", "not yet");
  return `${many("passed", "passed early")} passed, ${many("FAILED")} failed, ${skipped} skipped`;
}
