/** The desk: what one communication process does for one client. */
import { Service } from "duowire";
import type { DeskClient, FileHead, Report } from "../shared/wire.js";
import { DeskError } from "./desk-error.js";
import { Job, stopped } from "./job.js";
import { answerPage } from "./report-page.js";
import { type KeptReport, reports } from "./reports.js";

export class Desk extends Service<DeskClient> {
  #job: Job | undefined;
  #stop = new AbortController();
  #report: KeptReport | undefined;

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

  /** Hypertext at this session's own address: the report as a page, its chart, and its table. */
  override fetch(request: Request): Response {
    return answerPage(request, this.#report);
  }

  #show(report: KeptReport): Report {
    this.#report = report;
    const { table: _, ...told } = report;
    return told;
  }
}
