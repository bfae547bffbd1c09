import { expect, test } from "vitest";
import { rowOf, summaryOf, tableOf } from "../../lab/nat/judge/report.js";
import type { Record as RunRecord } from "../../lab/nat/judge/run.js";
import type { Scenario, Step } from "../../lab/nat/judge/scenario.js";
import type { Line } from "../../lab/nat/judge/tally.js";
import { judge } from "../../lab/nat/judge/verdict.js";

const CALLS = 200;
const strike: Step = { atMs: 1_000, fault: "reset", as: "strike" };
const scenario: Scenario = { name: "reset", what: "", promise: "G3", steps: [strike], promised: { recoveryMs: 300 } };

/** A flawless run of two seconds, with what `change` makes of its lines. */
function record(change: (lines: Line[]) => Line[] = (lines) => lines): RunRecord {
  const lines: Line[] = [{ kind: "session", client: "c", at: 0 }];
  for (let n = 1; n <= CALLS; n += 1) {
    for (const direction of ["up", "down"] as const) {
      const call = { client: "c", direction, n };
      lines.push({ kind: "made", ...call, at: n * 10 });
      lines.push({ kind: "executed", ...call, at: n * 10 + 1 });
      lines.push({ kind: "settled", ...call, at: n * 10 + 2 });
    }
  }
  const strikes = [{ step: strike, at: 1_000 }];
  const when = { beganAt: 0, endedAt: 3_000, lateMs: 0 };
  return { lines: change(lines), strikes, ...when, clients: ["c"], calls: CALLS, complaints: "" };
}

const isCall = (line: Line, direction: string, n: number, kind: string) =>
  "n" in line && line.direction === direction && line.n === n && line.kind === kind;

test("judge breaks nothing of a flawless run", () => {
  const verdict = judge(scenario, record());
  expect(verdict.broken).toEqual([]);
  expect(verdict).toMatchObject({ kept: true, recoveryMs: [0], firstResultMs: 12, p50Ms: 2, p99Ms: 2 });
});

test("judge names each broken promise", () => {
  const lost = record((lines) => lines.filter((line) => !isCall(line, "up", 50, "executed")));
  expect(judge(scenario, lost).broken).toEqual(["up: 1 lost"]);
  const hung = record((lines) => lines.filter((line) => !isCall(line, "down", 50, "settled")));
  expect(judge(scenario, hung).broken).toEqual(["down: 1 hung"]);
  const doubled = record((lines) =>
    lines.flatMap((line) => (isCall(line, "up", 50, "executed") ? [line, line] : [line])),
  );
  expect(judge(scenario, doubled).broken).toEqual(["up: 1 doubled"]);
  const anew = record((lines) => [...lines, { kind: "session", client: "c", at: 1_500 }]);
  expect(judge(scenario, anew).broken).toEqual(["the session was not kept"]);
});

test("judge holds recovery to its time, and to more of it where it is told to", () => {
  const slow = record((lines) =>
    lines.map((line) => ("n" in line && line.at > 1_000 ? { ...line, at: line.at + 500 } : line)),
  );
  expect(judge(scenario, slow).broken).toEqual(["recovery 1: 501 ms, promised 300 ms"]);
  expect(judge(scenario, slow, 2).broken).toEqual([]);
});

test("judge asks a client of a dead server only that every call settles in time", () => {
  const death: Scenario = { ...scenario, promised: { settlesMs: 5_000 } };
  const failed = record((lines) =>
    lines.map((line) =>
      "n" in line && line.kind === "settled" && line.n > 100 ? { ...line, code: "session_unknown" } : line,
    ),
  );
  expect(judge(death, failed).broken).toEqual([]);
  const hung = record((lines) => lines.filter((line) => !isCall(line, "up", CALLS, "settled")));
  expect(judge(death, hung).broken).toEqual(["up: 1 hung"]);
});

test("rowOf tells what is not promised yet from what failed", () => {
  const bad = judge(
    scenario,
    record((lines) => lines.slice(0, -1)),
  );
  expect(rowOf(scenario, bad).result).toBe("FAILED");
  expect(rowOf({ ...scenario, needs: "more" }, bad)).toMatchObject({ result: "not yet", reason: /^needs more; / });
  expect(rowOf({ ...scenario, needs: "more" }, judge(scenario, record())).result).toBe("passed early");
  expect(rowOf(scenario, { skipped: "no nginx" }).result).toBe("skipped");
});

test("tableOf and summaryOf show every row", () => {
  const rows = [rowOf(scenario, judge(scenario, record())), rowOf(scenario, { skipped: "no nginx" })];
  expect(tableOf(rows).split("\n")).toHaveLength(3);
  expect(summaryOf(rows)).toBe("1 passed, 0 failed, 1 skipped");
});
