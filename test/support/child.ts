/** A child for one test. */
import { onTestFinished } from "vitest";
import { type Child, forkChild } from "./child-process.js";

/** Starts `children/<name>.ts` in a process of its own; it is killed at the end of the test if it still runs. */
export function startChild(name: string, args: readonly string[] = []): Child {
  const child = forkChild(name, args);
  onTestFinished(() => child.kill());
  return child;
}
