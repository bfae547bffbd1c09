/** The desk: what one communication process does for one client. */
import { Service } from "duowire";
import type { DeskClient, FileHead, Report } from "../shared/wire.js";
import { DeskError } from "./desk-error.js";
import { Job, stopped } from "./job.js";
import { answerPage, type ReportFile } from "./report-page.js";
import { type KeptReport, reports } from "./reports.js";

/** How long a link to a page is good for; the end of the session ends it earlier. */
const LINK_MS = 7 * 24 * 60 * 60 * 1_000;

export class Desk extends Service<DeskClient> {
  #job: Job | undefined;
  #stop = new AbortController();
  /** The tickets of the reports that this client got. Its links have a report's number here: tickets stay secret. */
  readonly #tickets: string[] = [];

  /** A file is coming. Refused with `too_large`, and with `busy` while there is work on another one. */
  begin(file: FileHead): void {
    if (this.#job)
      throw new DeskError("busy", "The desk is at work on another file of yours; wait, or stop that first.");
    this.#stop = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, this.session.signal]);
    this.#job = new Job(file, this.client, signal);
  }

  /** The next octets of the file; resolves when they were read. Refused with `not_csv` as soon as that is clear. */
  async part(octets: Uint8Array): Promise<void> {
    const job = this.#job;
    if (!job) throw new DeskError("no_file", "Say begin(…) first: there is no file under way.");
    try {
      await job.receivePart(octets);
    } catch (error) {
      if (this.#job === job) this.#job = undefined;
      throw error;
    }
  }

  /** That was the whole file. Asks the client what to make of it, and resolves with the report. */
  async finish(): Promise<Report> {
    const job = this.#job;
    if (!job) throw new DeskError("no_file", "Say begin(…) first: there is no file under way.");
    try {
      const report = await job.finish();
      reports.keep(report);
      return this.#show(report);
    } finally {
      if (this.#job === job) this.#job = undefined;
    }
  }

  /** Stops the work on the file, if there is any. */
  stop(): void {
    this.#stop.abort(stopped());
    this.#job = undefined;
  }

  /** A report that was finished before, perhaps for an earlier session; undefined if the desk does not have it any more. */
  reopen(ticket: string): Report | undefined {
    const report = reports.find(ticket);
    return report && this.#show(report);
  }

  /** Hypertext at this session's own address: a report as a page, its chart, and its table. */
  override fetch(request: Request): Response {
    const number = Number(new URL(request.url).searchParams.get("number"));
    const report = reports.find(this.#tickets[number - 1] ?? "");
    return answerPage(request, report, (file) => this.#sign(file, number));
  }

  #show({ table: _, ...told }: KeptReport): Report {
    if (!this.#tickets.includes(told.ticket)) this.#tickets.push(told.ticket);
    return { ...told, page: this.#sign("report", this.#tickets.indexOf(told.ticket) + 1) };
  }

  /** A link that needs no cookie: whoever has it may read this file of this report. */
  #sign(file: ReportFile, number: number): string {
    return this.session.signUrl(`/${file}?number=${number}`, { expiresInMs: LINK_MS });
  }
}
