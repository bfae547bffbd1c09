/** What a process holds at this moment: for tests that look for leaks. Needs `--expose-gc`. */
import { readdirSync } from "node:fs";

/** What a process holds. */
export interface Vitals {
  /** Octets that are in use after a collection: JavaScript's heap and buffers outside of it. */
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Open descriptors: sockets, pipes, files. -1 where the system does not tell. */
  readonly descriptors: number;
}

/** Collects garbage, then looks. */
export function readVitals(): Vitals {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, residentBytes: rss, descriptors: countDescriptors() };
}

function countDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return -1;
  }
}
