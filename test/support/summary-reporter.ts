import type { Reporter, SerializedError, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

/** What a run came to. A broken file, a broken hook and an error outside every test count as one failure each. */
export interface RunTotals {
  passed: number;
  failed: number;
  skipped: number;
  /** One line for each test that did not run, with its reason where the test gave one. */
  skips: string[];
}

/** Counts the tests of a finished run. */
export function countRun(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): RunTotals {
  const totals: RunTotals = { passed: 0, failed: unhandledErrors.length, skipped: 0, skips: [] };
  for (const module of modules) {
    if (module.errors().length > 0) totals.failed += 1;
    for (const suite of module.children.allSuites()) if (hasOwnErrors(suite)) totals.failed += 1;
    for (const test of module.children.allTests()) countTest(test, module, totals);
  }
  return totals;
}

function hasOwnErrors(suite: TestSuite): boolean {
  return suite.errors().length > 0;
}

function countTest(test: TestCase, module: TestModule, totals: RunTotals): void {
  const result = test.result();
  if (result.state === "passed") {
    totals.passed += 1;
  } else if (result.state === "failed") {
    totals.failed += 1;
  } else {
    totals.skipped += 1;
    const reason = result.state === "pending" ? "the run ended before it" : (result.note ?? "no reason given");
    totals.skips.push(`${module.relativeModuleId} > ${test.fullName}: ${reason}`);
  }
}

/** The closing line, in the one form that tools may rely on. */
export function closingLine(totals: Pick<RunTotals, "passed" | "failed" | "skipped">): string {
  return `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`;
}

/**
 * Prints every skipped test with its reason, and then `N passed, N failed, N skipped` as the last line of the process.
 * It waits for the process to exit, because other reporters and the runner itself print late.
 * A run that exits with an error never claims zero failures.
 */
export class SummaryReporter implements Reporter {
  #totals: RunTotals = { passed: 0, failed: 0, skipped: 0, skips: [] };
  #watching = false;

  onInit(vitest: Vitest): void {
    this.#watching = vitest.config.watch;
    if (!this.#watching) process.once("exit", (code) => this.#print(code));
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#totals = countRun(modules, unhandledErrors);
    if (this.#watching) this.#print(0);
  }

  #print(exitCode: number): void {
    const totals = { ...this.#totals };
    if (exitCode !== 0 && totals.failed === 0) totals.failed = 1;
    const skips = totals.skips.map((line) => `skipped: ${line}\n`).join("");
    process.stdout.write(`${skips}${closingLine(totals)}\n`);
  }
}
