/** The finished reports that the program keeps: a page that was loaded again finds its own by its ticket. */
import type { Report } from "../shared/wire.js";

/** Everything there is of one report. */
export interface KeptReport extends Report {
  /** What the chart shows, as a table; the first row is its header. */
  readonly table: readonly (readonly (string | number)[])[];
}

/** Below which path the program serves the pages of its reports, besides each desk at its own address. */
const REPORTS_PATH = "/reports/";

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

  /** The report that a path such as `/reports/<ticket>/report` names. */
  at(path: string): KeptReport | undefined {
    if (!path.startsWith(REPORTS_PATH)) return undefined;
    return this.find(path.slice(REPORTS_PATH.length).split("/")[0] ?? "");
  }
}

/** The path of a report's page. The ticket in it is what lets a reader in. */
export function pagePath(ticket: string): string {
  return `${REPORTS_PATH}${ticket}/report`;
}

/** All desks of this program share the reports: a page that is loaded again has another desk. */
export const reports = new Reports();
