/** What an actor writes down, line by line, so that nothing is lost when it is killed. */
import { hrtime, stdout } from "node:process";
import type { Direction, Line } from "./tally.js";

/** Milliseconds of the machine's monotonic clock: the same for every process, whatever the wall clock does. */
export function machineNow(): number {
  return Number(hrtime.bigint() / 1000n) / 1000;
}

/** A pipe is written at once, so what was written is safe from SIGKILL. */
export function write(line: Line): void {
  stdout.write(`${JSON.stringify(line)}\n`);
}

/** Writes down that a call was executed here. */
export function executed(client: string, direction: Direction, n: number): number {
  write({ kind: "executed", client, direction, n, at: machineNow() });
  return n;
}

/** How many calls to make, and how fast. */
export interface Load {
  readonly calls: number;
  readonly perSecond: number;
}

/**
 * Makes numbered calls at a steady pace until all are made or `stop` says so, and writes down what became of each.
 * A pace that fell behind (a frozen machine) is caught up with, as users who waited would.
 */
export function makeCalls(
  who: { readonly client: string; readonly direction: Direction },
  load: Load,
  call: (n: number) => PromiseLike<unknown>,
  stop: () => boolean = () => false,
): void {
  const startedAt = machineNow();
  let made = 0;
  const makeDue = () => {
    const due = Math.min(load.calls, Math.floor(((machineNow() - startedAt) / 1000) * load.perSecond) + 1);
    while (made < due && !stop()) {
      made += 1;
      makeOne(who, made, call);
    }
    if (made >= load.calls || stop()) clearInterval(timer);
  };
  const timer = setInterval(makeDue, 1000 / load.perSecond);
  // The first at once: it may travel with the first access.
  makeDue();
}

function makeOne(
  who: { readonly client: string; readonly direction: Direction },
  n: number,
  call: (n: number) => PromiseLike<unknown>,
): void {
  write({ kind: "made", ...who, n, at: machineNow() });
  const settle = (code?: string) =>
    write({ kind: "settled", ...who, n, at: machineNow(), ...(code === undefined ? {} : { code }) });
  try {
    call(n).then(
      (result) => settle(result === n ? undefined : "wrong_result"),
      (error) => settle(codeOf(error)),
    );
  } catch (error) {
    settle(codeOf(error));
  }
}

/** The code of an error, with what it says about execution, as the caller sees it. */
export function codeOf(error: unknown): string {
  const { code, outcome, name } = error as { code?: unknown; outcome?: unknown; name?: unknown };
  const words = [code ?? name ?? "unknown", outcome].filter((word) => typeof word === "string");
  return words.join("/");
}
