/** Draws the chart as an SVG document that is readable in light and in dark. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { count, counted, shortened } from "../shared/words.js";
import type { ChartData } from "./tally.js";

const { document } = parseHTML("<!doctype html><html></html>");

const WIDTH = 880;
/** Readable on white and on near-black. */
const ACCENT = "#2b8a9e";
/** How opaque the dots of a map are, from few rows to many. */
const OPACITIES = [0.36, 0.5, 0.66, 0.82, 1];

const LEGEND_STEP = 124;
const DOT_RADIUS = 2.5;

const STYLE = `
  :root { color-scheme: light dark }
  svg { color: #26323c; background: transparent; font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  @media (prefers-color-scheme: dark) { svg { color: #dbe4ea } }`;

/** The chart as octets. */
export function drawChart(title: string, data: ChartData): Uint8Array {
  const svg = Plot.plot({ document: document as unknown as Document, width: WIDTH, ...optionsOf(data) });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}. ${chartInWords(data)}`);
  svg.removeAttribute("font-family");
  svg.removeAttribute("font-size");
  const style = document.createElement("style");
  style.textContent = STYLE;
  svg.prepend(style as unknown as Node);
  return new TextEncoder().encode(svg.outerHTML);
}

/** The chart for those who do not see it. */
export function chartInWords(data: ChartData): string {
  switch (data.kind) {
    case "bars": {
      const most = data.bars.slice(0, 3).map(({ label, count: rows }) => `${label} ${count(rows)}`);
      return `Most rows: ${most.join(", ")}${data.bars.length > 3 ? " and so on" : ""}.`;
    }
    case "histogram": {
      const most = data.bins.reduce((best, bin) => (bin.count > best.count ? bin : best));
      const range = `${count(most.from)} to ${count(most.to)}`;
      return `Most rows, ${count(most.count)}, are from ${range}.`;
    }
    case "map": {
      const [west, south, east, north] = data.frame;
      const outside = data.outside > 0 ? ` ${counted(data.outside, "row")} outside of the frame are not drawn.` : "";
      return `From ${west} to ${east} degrees of longitude and ${south} to ${north} of latitude.${outside}`;
    }
  }
}

function optionsOf(data: ChartData): Plot.PlotOptions {
  if (data.kind === "bars") return barOptions(data);
  return data.kind === "histogram" ? histogramOptions(data) : mapOptions(data);
}

function barOptions({ bars, others }: Extract<ChartData, { kind: "bars" }>): Plot.PlotOptions {
  const rest = others > 0 ? [{ label: "all others", count: others }] : [];
  const all = [...bars, ...rest].map((bar) => ({ ...bar, label: shortened(bar.label, 28) }));
  const charsMax = Math.max(...all.map(({ label }) => label.length));
  return {
    marginLeft: Math.min(24 + charsMax * 7.6, 250),
    marginRight: 64,
    height: 60 + all.length * 24,
    x: { axis: null },
    y: { label: null, domain: all.map(({ label }) => label), tickSize: 0 },
    marks: [
      Plot.barX(all, { x: "count", y: "label", fill: ACCENT, insetTop: 2, insetBottom: 2, rx: 2 }),
      Plot.text(all, { x: "count", y: "label", text: (bar) => count(bar.count), dx: 6, textAnchor: "start" }),
      Plot.ruleX([0], { strokeOpacity: 0.4 }),
    ],
  };
}

function histogramOptions({ bins, of }: Extract<ChartData, { kind: "histogram" }>): Plot.PlotOptions {
  return {
    height: 440,
    marginLeft: 64,
    marginBottom: 48,
    x: { label: `${of} →`, labelAnchor: "center" },
    y: { label: "↑ rows", grid: true, nice: true },
    marks: [
      Plot.rectY(bins, { x1: "from", x2: "to", y: "count", fill: ACCENT, inset: 0.5 }),
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
    ],
  };
}

function mapOptions({ levels, frame }: Extract<ChartData, { kind: "map" }>): Plot.PlotOptions {
  const [west, south, east, north] = frame;
  const corners = {
    type: "MultiPoint",
    coordinates: [
      [west, south],
      [east, north],
      [west, north],
      [east, south],
    ],
  };
  const legend = levels.map(({ least }, index) => ({ index, least, opacity: opacity(index, levels.length) }));
  return {
    margin: 8,
    marginBottom: 44,
    projection: { type: "mercator", domain: corners as unknown as NonNullable<Plot.ProjectionOptions["domain"]> },
    marks: [
      ...levels.map(({ places }, index) =>
        // One path for each level, however many dots it has.
        Plot.geo({ type: "MultiPoint", coordinates: places } as unknown as Plot.Data, {
          r: DOT_RADIUS,
          fill: ACCENT,
          fillOpacity: opacity(index, levels.length),
        }),
      ),
      ...legend.map(({ index, opacity: fillOpacity }) =>
        Plot.dot([0], {
          frameAnchor: "bottom-left",
          dx: 8 + index * LEGEND_STEP,
          dy: 28,
          r: 5,
          fill: ACCENT,
          fillOpacity,
        }),
      ),
      ...legend.map(({ index, least }) =>
        Plot.text([least === 1 ? "1 row or more" : `${least} or more`], {
          frameAnchor: "bottom-left",
          dx: 20 + index * LEGEND_STEP,
          dy: 34,
          textAnchor: "start",
        }),
      ),
    ],
  };
}

function opacity(index: number, levels: number): number {
  return OPACITIES[OPACITIES.length - levels + index] ?? 1;
}
