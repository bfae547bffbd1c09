/** Says what limits it runs under, then takes what it can get of one thing. */
import { openSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { getHeapStatistics } from "node:v8";

const table = readFileSync("/proc/self/limits", "latin1");
const pair = (/** @type {string} */ name) => table.match(new RegExp(`${name} +(\\S+) +(\\S+)`))?.slice(1) ?? [];

const keep = [];
const ways = {
  nothing: () => process.disconnect(),
  loop() {
    for (;;);
  },
  heap() {
    for (;;) keep.push(new Array(100_000).fill(0));
  },
  files() {
    try {
      for (;;) openSync("/dev/null", "r");
    } catch {
      process.exit(64);
    }
  },
  buffers() {
    try {
      for (;;) keep.push(Buffer.allocUnsafe(10_000_000));
    } catch {
      process.exit(65);
    }
  },
};

process.send?.(
  {
    pid: process.pid,
    niceness: getPriority(),
    cpu: pair("Max cpu time"),
    files: pair("Max open files"),
    space: pair("Max address space")[0],
    heapMiB: getHeapStatistics().heap_size_limit / 2 ** 20,
  },
  () => ways[/** @type {keyof typeof ways} */ (process.argv[2])](),
);
