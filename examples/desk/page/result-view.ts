/** The part of the page that shows a finished report. */
import type { Report } from "../src/shared/wire.js";
import { count, counted } from "../src/shared/words.js";
import { element, show } from "./elements.js";

let chartUrl = "";

/** Shows a report that came over the session at `address`. */
export function showReport(report: Report, address: string): void {
  URL.revokeObjectURL(chartUrl);
  chartUrl = URL.createObjectURL(new Blob([report.chart as BlobPart], { type: "image/svg+xml" }));
  const chart = element<HTMLImageElement>("chart");
  chart.src = chartUrl;
  chart.alt = `${report.title}. ${report.chartInWords}`;
  element("result-title").textContent = report.title;
  const leftOut = report.rowsLeftOut > 0 ? `, ${count(report.rowsLeftOut)} of them left out` : "";
  const time = report.finishedAt.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  element("facts").textContent = `${report.fileName}: ${counted(report.rows, "row")}${leftOut}. Finished at ${time}.`;
  element("in-words").textContent = report.chartInWords;
  const save = element<HTMLAnchorElement>("save");
  save.href = chartUrl;
  save.download = `${report.fileName}.svg`;
  element<HTMLAnchorElement>("report").href = new URL(report.page, address).href;
  show("report", true);
  show("result", true);
}

/** The session is over, and with it the report's page; the chart is here. */
export function withdrawPage(): void {
  show("report", false);
}
