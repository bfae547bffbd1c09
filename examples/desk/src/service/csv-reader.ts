/** Reads CSV from octets that come in parts, in slices short enough that the server answers others in between. */

import { finished } from "node:stream/promises";
import { setImmediate as breathe } from "node:timers/promises";
import { CsvError, type Parser, parse } from "csv-parse";
import { DeskError } from "./desk-error.js";
import { type FileFormat, fileFormat } from "./file-format.js";

/** One slice takes a few milliseconds to read. */
const SLICE_BYTES = 32 * 1024;
/** A row that does not end is most likely a quote that does not end. */
const ROW_CHARS_MAX = 1024 * 1024;

/** Takes the cells of a row and the line it ends at; the first row is the header. */
export type RowListener = (cells: readonly string[], line: number) => void;

/** One pass over a file. Calls `onRow` for each row; what that throws ends the pass. */
export class CsvReader {
  readonly #name: string;
  readonly #onRow: RowListener;
  #parser: Parser | undefined;
  #decoder: TextDecoder | undefined;

  constructor(name: string, onRow: RowListener) {
    this.#name = name;
    this.#onRow = onRow;
  }

  /** Reads the next octets. The first ones should be a whole part, since the format is read from them. */
  async write(octets: Uint8Array): Promise<void> {
    const parser = this.#parser ?? this.#start(fileFormat(this.#name, octets));
    for (let from = 0; from < octets.length; from += SLICE_BYTES) {
      const text = this.#decoder?.decode(octets.subarray(from, from + SLICE_BYTES), { stream: true });
      await new Promise<void>((resolve, reject) =>
        parser.write(text || "", (error) => (error ? reject(this.#inWords(error)) : resolve())),
      );
      await breathe();
    }
  }

  /** Reads what is left. */
  async end(): Promise<void> {
    const parser = this.#parser ?? this.#start(fileFormat(this.#name, new Uint8Array(0)));
    parser.end(this.#decoder?.decode());
    await finished(parser).catch((error) => {
      throw this.#inWords(error);
    });
  }

  #start({ encoding, delimiter }: FileFormat): Parser {
    this.#decoder = new TextDecoder(encoding);
    const parser = parse({
      delimiter,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: ROW_CHARS_MAX,
      on_record: (cells: string[], { lines }) => {
        this.#onRow(cells, lines);
        // Nothing is kept in the stream.
        return null;
      },
    });
    // The callback of `write` says it; without a listener the error would end the program.
    parser.on("error", () => {});
    parser.resume();
    this.#parser = parser;
    return parser;
  }

  #inWords(error: unknown): unknown {
    if (!(error instanceof CsvError)) return error;
    const line = (error as { lines?: number }).lines ?? "?";
    const reasons: Readonly<Record<string, string>> = {
      CSV_QUOTE_NOT_CLOSED: "a quotation mark is opened and never closed",
      CSV_INVALID_CLOSING_QUOTE:
        "after a closing quotation mark there is more text; double it if it belongs to the text",
      INVALID_OPENING_QUOTE: 'a quotation mark stands in the middle of a cell; write "" inside a quoted cell',
      CSV_MAX_RECORD_SIZE: "a row has more than a million characters; is a quotation mark not closed?",
    };
    const reason = reasons[error.code] ?? error.message;
    return new DeskError("not_csv", `${this.#name} cannot be read as CSV: line ${line}: ${reason}.`);
  }
}
