/** What the first pass over a file finds out: which columns there are, and what is in them. */
import { counted, shortened } from "../shared/words.js";
import { DeskError } from "./desk-error.js";

/** Distinct values of a column that are counted; a column with more is no category. */
const VALUES_MAX = 1_000;
const COLUMNS_MAX = 1_000;
/** After so many rows, a file whose rows mostly do not fit its header is given up. */
const ROWS_BEFORE_VERDICT = 1_000;

/** What is in one column. */
export interface Column {
  readonly index: number;
  readonly name: string;
  empty: number;
  numbers: number;
  min: number;
  max: number;
  /** Values and how often each comes; undefined when there are too many. */
  values: Map<string, number> | undefined;
}

/** A cell as a number; NaN if it is none. Empty cells are none. */
export function numberIn(cell: string | undefined): number {
  return cell === undefined || cell.trim() === "" ? Number.NaN : Number(cell);
}

/** Takes the rows of the first pass. */
export class Profile {
  readonly columns: Column[] = [];
  rows = 0;
  /** Rows with more or fewer cells than the header. */
  ragged = 0;
  readonly #fileName: string;
  #firstRagged = "";

  constructor(fileName: string) {
    this.#fileName = fileName;
  }

  /** Takes the header first, then each row. Throws `not_csv`. */
  add(cells: readonly string[], line: number): void {
    if (this.columns.length === 0) return this.#readHeader(cells);
    this.rows += 1;
    if (cells.length !== this.columns.length) this.#noteRagged(cells, line);
    for (const column of this.columns) note(column, cells[column.index] ?? "");
    if (this.rows === ROWS_BEFORE_VERDICT) this.#refuseIfRagged();
  }

  /** Call it after the last row. Throws `not_csv`. */
  end(): void {
    if (this.rows === 0) throw this.#notCsv("it has a header and no rows");
    this.#refuseIfRagged();
  }

  #readHeader(cells: readonly string[]): void {
    if (cells.length > COLUMNS_MAX) throw this.#notCsv(`line 1 has ${counted(cells.length, "column")}`);
    const taken = new Map<string, number>();
    cells.forEach((cell, index) => {
      const plain = shortened(cell.trim()) || `column ${index + 1}`;
      const times = (taken.get(plain) ?? 0) + 1;
      taken.set(plain, times);
      const name = times === 1 ? plain : `${plain} (${times})`;
      const range = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
      this.columns.push({ index, name, empty: 0, numbers: 0, ...range, values: new Map() });
    });
  }

  #noteRagged(cells: readonly string[], line: number): void {
    this.ragged += 1;
    this.#firstRagged ||= `line ${line} has ${counted(cells.length, "cell")}, the header has ${this.columns.length}`;
  }

  #refuseIfRagged(): void {
    if (this.ragged * 2 > this.rows) throw this.#notCsv(`${this.#firstRagged}, and most other rows do not fit either`);
  }

  #notCsv(reason: string): DeskError {
    return new DeskError("not_csv", `${this.#fileName} is not a CSV file that the desk can use: ${reason}.`);
  }
}

function note(column: Column, cell: string): void {
  if (cell.trim() === "") {
    column.empty += 1;
    return;
  }
  const number = Number(cell);
  if (!Number.isNaN(number)) {
    column.numbers += 1;
    if (number < column.min) column.min = number;
    if (number > column.max) column.max = number;
  }
  const { values } = column;
  if (!values) return;
  values.set(cell, (values.get(cell) ?? 0) + 1);
  if (values.size > VALUES_MAX) column.values = undefined;
}
