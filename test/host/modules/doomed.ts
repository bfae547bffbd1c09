/** A service that ends badly, in every way that there is. */
import { parentPort } from "node:worker_threads";
import { Service } from "../../../src/index.js";

export default class Doomed extends Service<{ confirm(question: string): boolean }> {
  echo(value: unknown) {
    return value;
  }

  pid() {
    return process.pid;
  }

  exit(code: number) {
    process.exit(code);
  }

  /** Writes to the channel that is not its own. */
  say(message: unknown) {
    if (parentPort === null) process.send?.(message);
    else parentPort.postMessage(message);
  }

  crash() {
    setImmediate(() => {
      throw new Error("nobody catches this");
    });
  }

  /** Never settles by itself. */
  wait(): Promise<never> {
    return new Promise(() => {});
  }
}
