/** The finished reports that the program keeps: a page that was loaded again finds its own by its ticket. */
import type { Report } from "../shared/wire.js";

/** Everything there is of one report, but its page: that belongs to a session. */
export interface KeptReport extends Omit<Report, "page"> {
  /** What the chart shows, as a table; the first row is its header. */
  readonly table: readonly (readonly (string | number)[])[];
}

/** Reports by ticket, up to a limit; the oldest go first. They live in memory: a restart forgets them. */
export class Reports {
  readonly #reports = new Map<string, KeptReport>();

  constructor(readonly reportsMax = 64) {}

  keep(report: KeptReport): void {
    this.#reports.set(report.ticket, report);
    const [oldest] = this.#reports.keys();
    if (this.#reports.size > this.reportsMax && oldest !== undefined) this.#reports.delete(oldest);
  }

  find(ticket: string): KeptReport | undefined {
    return this.#reports.get(ticket);
  }
}

/** All desks of this program share the reports: a page that is loaded again has another desk. */
export const reports = new Reports();
