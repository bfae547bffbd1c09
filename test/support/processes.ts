/** What the kernel knows of processes; Linux only. */
import { readFileSync } from "node:fs";

/** The state letter of a process (`R`, `S`, `T`, …); undefined when it is gone, or only waits to be reaped. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state === "Z" || state === "X" ? undefined : state;
  } catch {
    return undefined;
  }
}

/** Those of `pids` that still run. */
export function running(pids: readonly number[]): number[] {
  return pids.filter((pid) => processState(pid) !== undefined);
}

/** The processes whose parent is `pid`, those included that have ended and were not reaped. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}
