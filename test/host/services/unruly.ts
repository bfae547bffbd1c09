import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { threadId } from "node:worker_threads";
import { Service } from "../../../src/index.js";

/** A service that does what no service should. */
export default class Unruly extends Service {
  echo(value: number): number {
    return value;
  }

  where(): string {
    return `${process.pid}.${threadId}`;
  }

  /** The process that it runs in, and a child that it starts there. */
  family(): number[] {
    return [process.pid, spawn("sleep", ["1000"]).pid as number];
  }

  loop(): void {
    for (;;);
  }

  /** Waits in a system call for whoever writes to this pipe, and for its end. */
  block(pipe: string): void {
    readFileSync(pipe);
  }

  abort(): void {
    process.abort();
  }

  exit(code: number): void {
    process.exit(code);
  }

  throwLater(): Promise<void> {
    setTimeout(() => {
      throw new TypeError("the price of /srv/desk/prices.js is not a number");
    });
    return new Promise(() => undefined);
  }

  rejectLater(): Promise<void> {
    setTimeout(() => void Promise.reject(new RangeError("too late")));
    return new Promise(() => undefined);
  }

  fill(): void {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(100_000).fill(0));
  }

  die(signal: NodeJS.Signals): Promise<void> {
    process.kill(process.pid, signal);
    return new Promise(() => undefined);
  }
}
