/** A program of test/support/children/ in a process of its own, which can be asked things and killed. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ChildAnswer, ChildQuestion } from "./children/answering.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A running child. */
export class Child {
  /** What it printed, both streams. */
  printed = "";
  /** Settles with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  private lastNumber = 0;
  private readonly questions = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

  constructor(private readonly process: ChildProcess) {
    const print = (text: Buffer) => {
      this.printed += text;
    };
    process.stdout?.on("data", print);
    process.stderr?.on("data", print);
    process.on("message", (answer: ChildAnswer) => this.answered(answer));
    this.exited = once(process, "close").then(([code, signal]) => {
      for (const { reject } of this.questions.values()) reject(new Error(`the child has ended: ${this.printed}`));
      return code ?? signal;
    });
  }

  /** Runs one of the child's commands there; rejects with what it throws, or when the child ends. */
  ask<Answer>(command: string, argument?: unknown): Promise<Answer> {
    this.lastNumber += 1;
    const number = this.lastNumber;
    const question: ChildQuestion = { number, command, argument };
    return new Promise((resolve, reject) => {
      this.questions.set(number, { resolve, reject });
      this.process.send(question, (error) => error && reject(error));
    });
  }

  /** SIGKILL: it has no chance to say goodbye. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  private answered({ number, value, error }: ChildAnswer): void {
    const question = this.questions.get(number);
    this.questions.delete(number);
    if (error === undefined) question?.resolve(value as never);
    else question?.reject(new Error(error));
  }
}

/** Starts `children/<name>.ts`; whoever starts it kills it. `flags` are Node's. */
export function forkChild(name: string, args: readonly string[] = [], flags: readonly string[] = []): Child {
  const file = fileURLToPath(new URL(`./children/${name}.ts`, import.meta.url));
  const execArgv = ["--conditions=duowire-source", "--import", "tsx", ...flags];
  return new Child(fork(file, args, { cwd: root, execArgv, serialization: "advanced", silent: true }));
}
