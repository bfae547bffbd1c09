/** The report as plain HTTP: a page, the chart, and the table behind it. */
import { count, counted } from "../shared/words.js";
import type { KeptReport } from "./reports.js";

/** What there is of a report, by the last part of its path. */
export type ReportFile = "report" | "chart.svg" | "table.csv";

/**
 * The library's sandbox, for a page that has no scripts and no forms and shows what is in a stranger's file. One thing is
 * allowed that the library forbids: in a sandbox without allow-downloads a browser does not save the table.
 */
const CONTENT_SECURITY_POLICY =
  "sandbox allow-downloads; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'";
const ROWS_SHOWN_MAX = 300;

/** Answers for whatever lies below the session's address. `sign` makes a URL, relative to that address. */
export function answerPage(
  request: Request,
  report: KeptReport | undefined,
  sign: (file: ReportFile) => string,
): Response {
  const path = new URL(request.url).pathname.split("/").at(-1);
  if (!report) return answer("text/plain", "The desk does not have this report, or not any more.\n", 404);
  switch (path) {
    case "report":
      // The page lies below the session's address, so a link that is relative to that goes up first.
      return answer(
        "text/html",
        page(report, (file) => escaped(`../${sign(file)}`)),
      );
    case "chart.svg":
      return answer("image/svg+xml", report.chart);
    case "table.csv":
      return answer("text/csv", csv(report), 200, { "content-disposition": 'attachment; filename="table.csv"' });
    default:
      return answer("text/plain", "Here are: report, chart.svg, table.csv\n", 404);
  }
}

function answer(type: string, body: string | Uint8Array, status = 200, more: Record<string, string> = {}): Response {
  const headers = {
    "content-type": `${type}; charset=utf-8`,
    "content-security-policy": CONTENT_SECURITY_POLICY,
    ...more,
  };
  return new Response(body as BodyInit, { status, headers });
}

function csv({ table }: KeptReport): string {
  const cell = (value: string | number) =>
    /[",\r\n]/.test(String(value)) ? `"${String(value).replace(/"/g, '""')}"` : value;
  return table.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function page(report: KeptReport, link: (file: ReportFile) => string): string {
  const { fileName, title, rows, rowsLeftOut, finishedAt, chartInWords, table } = report;
  const [header = [], ...body] = table;
  const shown = body.slice(0, ROWS_SHOWN_MAX);
  const more = body.length - shown.length;
  const cells = (row: readonly (string | number)[], tag: string) =>
    row.map((cell) => `<${tag}>${escaped(typeof cell === "number" ? count(cell) : cell)}</${tag}>`).join("");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(fileName)}: ${escaped(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${escaped(title)}</h1>
<p>${escaped(fileName)}, ${counted(rows, "row")}${rowsLeftOut > 0 ? `, ${count(rowsLeftOut)} of them left out` : ""};
finished ${finishedAt.toISOString().slice(0, 16).replace("T", " ")} UTC.</p>
<img src="${link("chart.svg")}" alt="${escaped(chartInWords)}">
<p>${escaped(chartInWords)}</p>
<p><a href="${link("chart.svg")}">The chart alone</a> · <a href="${link("table.csv")}">The table as CSV</a></p>
<div class="scroll" tabindex="0" role="region" aria-label="Table">
<table><thead><tr>${cells(header, "th")}</tr></thead><tbody>
${shown.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n")}
</tbody></table>
</div>
${more > 0 ? `<p>And ${counted(more, "more row")}.</p>` : ""}
</main>
</html>
`;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => entities[char] ?? char);
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1f2a33; --quiet: #5a6b78; --paper: #fff; --line: #d9e0e5 }
@media (prefers-color-scheme: dark) { :root { --ink: #e3eaef; --quiet: #9db0bd; --paper: #12191e; --line: #2c3840 } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1.25rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 }
p { color: var(--quiet) }
img { display: block; width: 100%; height: auto; margin: 1.5rem 0 }
.scroll { max-height: 24rem; overflow: auto; border: 1px solid var(--line); border-radius: 8px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { position: sticky; top: 0; background: var(--paper); text-align: left }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--line) }
a { color: inherit; text-underline-offset: .2em }
`;
