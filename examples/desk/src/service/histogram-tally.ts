import { type Column, numberIn } from "./profile.js";
import type { Tallied, Tally } from "./tally.js";

const BINS_WANTED = 30;

/** Counts the rows in equal ranges of a column's numbers. */
export class HistogramTally implements Tally {
  readonly keepLacking = undefined;
  readonly #column: Column;
  readonly #start: number;
  readonly #width: number;
  readonly #counts: number[];

  constructor(column: Column) {
    this.#column = column;
    this.#width = niceWidth((column.max - column.min) / BINS_WANTED);
    this.#start = Math.floor(column.min / this.#width) * this.#width;
    this.#counts = new Array(Math.floor((column.max - this.#start) / this.#width) + 1).fill(0);
  }

  add(cells: readonly string[]): boolean {
    const number = numberIn(cells[this.#column.index]);
    if (!Number.isFinite(number)) return false;
    const bin = Math.floor((number - this.#start) / this.#width);
    this.#counts[bin] = (this.#counts[bin] ?? 0) + 1;
    return true;
  }

  finish(): Tallied {
    const { name } = this.#column;
    const edge = (bin: number) => Number((this.#start + bin * this.#width).toPrecision(12));
    const bins = this.#counts.map((count, bin) => ({ from: edge(bin), to: edge(bin + 1), count }));
    return {
      data: { kind: "histogram", of: name, bins },
      table: [[`${name} from`, "to", "rows"], ...bins.map(({ from, to, count }) => [from, to, count])],
    };
  }
}

/** The nearest of 1, 2, 5, 10, 20, … that is not below. */
function niceWidth(width: number): number {
  const power = 10 ** Math.floor(Math.log10(width));
  const factor = [1, 2, 5, 10].find((one) => one * power >= width) ?? 10;
  return factor * power;
}
