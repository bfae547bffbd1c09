/** A program that a guide starts: its output, and its end with everything that it started itself. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";
import { onTestFinished } from "vitest";

/** How long a program may take until it has printed what it should. */
const OUTPUT_MS_MAX = 20_000;

/** Lines of a shell, running. */
export class Program {
  readonly exited: Promise<number | string>;
  private readonly child: ChildProcess;
  /** What it printed, both streams, as it came: an escape sequence may come in two pieces. */
  private raw = "";
  /** How much of `printed` was compared already. */
  private compared = 0;

  constructor(
    private readonly commands: string,
    folder: string,
    environment: NodeJS.ProcessEnv,
  ) {
    // A process group of its own, so that what npx starts ends with it.
    const options = { cwd: folder, env: environment, detached: true } as const;
    this.child = spawn("sh", ["-e", "-c", commands], { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const print = (text: Buffer) => {
      this.raw += text;
    };
    this.child.stdout?.on("data", print);
    this.child.stderr?.on("data", print);
    this.exited = once(this.child, "close").then(([code, signal]) => code ?? signal);
    onTestFinished(() => this.stop());
  }

  /** What it printed as a person reads it: without colours. Some programs colour their output whatever they are told. */
  get printed(): string {
    return stripVTControlCharacters(this.raw);
  }

  /** Waits until what was printed since the last comparison is `expected`; throws with both if it does not come. */
  async expectOutput(expected: string, place: string): Promise<void> {
    const pattern = new RegExp(`^${expected.split("…").map(literal).join("[^\\n]*")}`);
    const endAt = performance.now() + OUTPUT_MS_MAX;
    for (;;) {
      const fresh = this.printed.slice(this.compared);
      const match = pattern.exec(fresh)?.[0];
      if (match !== undefined) {
        this.compared += match.length;
        return;
      }
      const couldStill = this.child.exitCode === null && performance.now() < endAt;
      if (!couldStill)
        throw new Error(`${place}: expected\n${expected}\nbut "${this.commands.trim()}" printed\n${fresh}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Throws if it printed anything that no `output` block has shown. */
  expectNoMore(place: string): void {
    const rest = this.printed.slice(this.compared);
    if (rest !== "") throw new Error(`${place}: after what the guide shows, the program also printed\n${rest}`);
  }

  /** Waits for the end; throws with what was printed unless it is a good one. */
  async expectGoodEnd(place: string): Promise<void> {
    const end = await this.exited;
    if (end !== 0) throw new Error(`${place}: "${this.commands.trim()}" ended with ${end}:\n${this.printed}`);
  }

  /** Ends it like Ctrl+C, and after a while for good. */
  async stop(): Promise<void> {
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      try {
        process.kill(-(this.child.pid ?? Number.NaN), signal);
      } catch {
        return;
      }
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, 2_000);
      });
      await Promise.race([this.exited, late]);
      clearTimeout(timer);
    }
  }
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
