/** The work on one file: read it as it comes, ask what to make of it, read it again, and draw. */
import { randomBytes } from "node:crypto";
import { type DeskClient, FILE_BYTES_MAX, type FileHead, type Progress, type Question } from "../shared/wire.js";
import { count, counted, shortened, size } from "../shared/words.js";
import { chartInWords, drawChart } from "./chart.js";
import { type Choice, choicesFor } from "./choices.js";
import { CsvReader } from "./csv-reader.js";
import { DeskError } from "./desk-error.js";
import { Profile } from "./profile.js";
import type { KeptReport } from "./reports.js";
import type { Tally } from "./tally.js";

const LEAVE_OUT = "Leave them out";
const STOP = "Stop";

/** Whom a job tells and asks. */
export interface JobClient {
  progress(progress: Progress): void;
  ask(question: Question): PromiseLike<Awaited<ReturnType<DeskClient["ask"]>>>;
}

/** One file, from its first octet to its report. */
export class Job {
  readonly #file: FileHead;
  readonly #client: JobClient;
  readonly #signal: AbortSignal;
  readonly #parts: Uint8Array[] = [];
  readonly #profile: Profile;
  readonly #reader: CsvReader;
  #bytes = 0;
  #bytesRead = 0;
  /** Parts are read one after the other, whenever they come. */
  #reading: Promise<void> = Promise.resolve();

  /** Throws `too_large`. Ends early, with the signal's reason, when that is aborted. */
  constructor(file: FileHead, client: JobClient, signal: AbortSignal) {
    if (!(file.bytes <= FILE_BYTES_MAX)) throw tooLarge(file.name, file.bytes);
    this.#file = { name: shortened(String(file.name)), bytes: file.bytes };
    this.#client = client;
    this.#signal = signal;
    this.#profile = new Profile(this.#file.name);
    this.#reader = new CsvReader(this.#file.name, (cells, line) => this.#profile.add(cells, line));
  }

  /** Takes the next part, and resolves when it was read. */
  receivePart(octets: Uint8Array): Promise<void> {
    this.#bytes += octets.length;
    if (this.#bytes > this.#file.bytes)
      throw new DeskError("too_large", `${this.#file.name} is longer than it was said to be.`);
    this.#parts.push(octets);
    this.#reading = this.#reading.then(() => this.#read(octets));
    return this.#reading;
  }

  /** Everything was sent: makes the report. */
  async finish(): Promise<KeptReport> {
    await this.#reading;
    if (this.#bytes < this.#file.bytes) throw new DeskError("no_file", `Not all of ${this.#file.name} has come.`);
    await this.#reader.end();
    this.#profile.end();
    this.#tell("reading", this.#bytes, this.#profile.rows);
    const choice = await this.#choose();
    const tally = choice.start();
    const lacking = await this.#tally(tally);
    const kept = lacking > 0 && (await this.#keepsLacking(tally, choice, lacking)) ? lacking : 0;
    this.#signal.throwIfAborted();
    const { data, table } = tally.finish(kept);
    const { rows, ragged } = this.#profile;
    const title = choice.label.replace(/ \([^)]*\)$/, "");
    const note = ragged === 0 ? "" : ` ${counted(ragged, "row")} did not have as many cells as the header.`;
    return {
      ticket: randomBytes(16).toString("base64url"),
      fileName: this.#file.name,
      title,
      rows,
      rowsLeftOut: lacking - kept,
      finishedAt: new Date(),
      chart: drawChart(title, data),
      chartInWords: chartInWords(data) + note,
      table,
    };
  }

  async #read(octets: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    await this.#reader.write(octets);
    this.#bytesRead += octets.length;
    if (this.#bytesRead < this.#file.bytes) this.#tell("reading", this.#bytesRead, this.#profile.rows);
  }

  #tell(step: Progress["step"], bytes: number, rows: number): void {
    this.#client.progress({ step, bytes, bytesTotal: this.#file.bytes, rows });
  }

  async #choose(): Promise<Choice> {
    const choices = choicesFor(this.#profile);
    const { name } = this.#file;
    const [only] = choices;
    if (!only) {
      const columns = shortened(this.#profile.columns.map((column) => column.name).join(", "), 200);
      const wanted = "numbers that differ, or values that repeat, or latitude and longitude";
      throw new DeskError(
        "not_csv",
        `${name} has no column to make a chart of: none has ${wanted}. It has ${columns}.`,
      );
    }
    if (choices.length === 1) return only;
    const text = `${name} has ${counted(this.#profile.rows, "row")}. What should the chart show?`;
    const answer = await this.#ask({ text, options: choices.map(({ label }) => label) });
    return choices.find(({ label }) => label === answer) as Choice;
  }

  /** The second pass; resolves with how many rows lack what the chart needs. */
  async #tally(tally: Tally): Promise<number> {
    let lacking = 0;
    let rows = -1;
    const reader = new CsvReader(this.#file.name, (cells) => {
      rows += 1;
      if (rows > 0 && !tally.add(cells)) lacking += 1;
    });
    let bytes = 0;
    for (const part of this.#parts) {
      this.#signal.throwIfAborted();
      await reader.write(part);
      bytes += part.length;
      if (bytes < this.#bytes) this.#tell("drawing", bytes, rows);
    }
    await reader.end();
    this.#tell("drawing", this.#bytes, rows);
    return lacking;
  }

  async #keepsLacking({ keepLacking }: Tally, { needs }: Choice, lacking: number): Promise<boolean> {
    const text = `${count(lacking)} of ${counted(this.#profile.rows, "row")} have no ${needs}. Leave them out?`;
    const answer = await this.#ask({ text, options: [LEAVE_OUT, keepLacking ?? STOP] });
    if (answer === STOP) throw stopped();
    return answer !== LEAVE_OUT;
  }

  async #ask(question: Question): Promise<string> {
    const answer = await this.#client.ask(question);
    this.#signal.throwIfAborted();
    if (answer === undefined) throw stopped();
    if (question.options.includes(answer)) return answer;
    throw new Error(`the client answered ${JSON.stringify(answer)}, which was not asked`);
  }
}

/** The work was stopped because the client wanted it. */
export function stopped(): DeskError {
  return new DeskError("cancelled", "The work was stopped; nothing is kept of it.");
}

function tooLarge(name: string, bytes: number): DeskError {
  return new DeskError("too_large", `${name} has ${size(bytes)}; the desk takes files up to ${size(FILE_BYTES_MAX)}.`);
}
