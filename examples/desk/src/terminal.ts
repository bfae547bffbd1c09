/** What a person at a terminal sees of the work, and how they answer. All of it on stderr. */
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline/promises";
import type { Progress, Question } from "./shared/wire.js";
import { counted, size } from "./shared/words.js";

const steps = { reading: "Sent and read", drawing: "Counted" } as const;

export class Terminal {
  readonly #answers: string[];
  readonly #takesFirst: boolean;
  readonly #isInteractive = process.stderr.isTTY === true;
  #lineLength = 0;

  /** `answers`: what to answer without asking, one after the other; `takesFirst`: take the first option otherwise. */
  constructor(answers: readonly string[], takesFirst: boolean) {
    this.#answers = [...answers];
    this.#takesFirst = takesFirst;
  }

  /** A line that stays. */
  say(text: string): void {
    this.#clear();
    console.error(text);
  }

  /** How far the work is, in one line that is written over; without a terminal only the end of each step. */
  progress({ step, bytes, bytesTotal, rows }: Progress): void {
    const text = `${steps[step]} ${counted(rows, "row")}, ${size(bytes)} of ${size(bytesTotal)}`;
    if (bytes >= bytesTotal) return this.say(text);
    if (!this.#isInteractive) return;
    this.#clear();
    process.stderr.write(text);
    this.#lineLength = text.length;
  }

  /** Waits for Enter, and for `end` at the longest; where nobody can press it, just for that. */
  async enter(end: Promise<unknown>): Promise<void> {
    if (process.stdin.isTTY !== true) return void (await end);
    const lines = this.#read();
    await Promise.race([once(lines, "line"), once(lines, "close"), end]);
    lines.close();
  }

  /** Asks until the answer is one of the options. Rejects when nobody can answer. */
  async ask({ text, options }: Question): Promise<string> {
    const given = this.#answers.shift();
    const chosen = given === undefined ? this.#default(options) : matching(options, given);
    if (chosen !== undefined) {
      this.say(`${text} ${chosen}.`);
      return chosen;
    }
    this.say(given === undefined ? text : `${text} None of the options has “${given}” in it.`);
    options.forEach((option, index) => {
      this.say(`  ${index + 1}  ${option}`);
    });
    return this.#choose(options);
  }

  async #choose(options: readonly string[]): Promise<string> {
    if (process.stdin.isTTY !== true)
      throw new Error("The desk asks, and there is no terminal: use --yes or --answer.");
    const lines = this.#read();
    try {
      for (;;) {
        const line = await lines.question(`1-${options.length} [1]: `);
        const chosen = line.trim() === "" ? options[0] : (options[Number(line) - 1] ?? matching(options, line));
        if (chosen !== undefined) return chosen;
      }
    } finally {
      lines.close();
    }
  }

  #read(): Interface {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    // The line editor takes Ctrl-C for itself; it is meant for the program.
    return lines.on("SIGINT", () => process.emit("SIGINT"));
  }

  #default(options: readonly string[]): string | undefined {
    return this.#takesFirst ? options[0] : undefined;
  }

  #clear(): void {
    if (this.#lineLength > 0) process.stderr.write(`\r${" ".repeat(this.#lineLength)}\r`);
    this.#lineLength = 0;
  }
}

function matching(options: readonly string[], text: string): string | undefined {
  const wanted = text.trim().toLowerCase();
  return wanted === "" ? undefined : options.find((option) => option.toLowerCase().includes(wanted));
}
