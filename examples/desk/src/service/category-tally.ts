import type { Column } from "./profile.js";
import type { Bar, Tallied, Tally } from "./tally.js";

const BARS_MAX = 24;
const NONE = "(none)";

/** Counts the rows of each value of a column. */
export class CategoryTally implements Tally {
  readonly keepLacking = `Show them as “${NONE}”`;
  readonly #column: Column;
  readonly #counts = new Map<string, number>();

  constructor(column: Column) {
    this.#column = column;
  }

  add(cells: readonly string[]): boolean {
    const value = cells[this.#column.index]?.trim() ?? "";
    if (value === "") return false;
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
    return true;
  }

  finish(lacking: number): Tallied {
    const all: Bar[] = [...this.#counts].map(([label, count]) => ({ label, count }));
    if (lacking > 0) all.push({ label: NONE, count: lacking });
    all.sort((one, other) => other.count - one.count);
    const bars = all.length > BARS_MAX ? all.slice(0, BARS_MAX - 1) : all;
    const others = all.slice(bars.length).reduce((sum, { count }) => sum + count, 0);
    const { name } = this.#column;
    return {
      data: { kind: "bars", by: name, bars, others },
      table: [[name, "rows"], ...all.map(({ label, count }) => [label, count])],
    };
  }
}
