/** What the command line prints. Nothing else in the library prints. */

/** Who read the output may be gone, as behind `| head`: the program goes on, since a server is not there to be read. */
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

/** One text to the standard output, with a line's end. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** One text to the standard error, with a line's end. */
export function printError(text: string): void {
  process.stderr.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Rows under heads, each column as wide as it must be. Numbers stand right. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const shown = rows.map((row) => row.map((cell) => (typeof cell === "number" ? String(cell) : printable(cell))));
  const widths = heads.map((head, column) => Math.max(head.length, ...shown.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[], isRight: (column: number) => boolean) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isRight(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const isNumber = (column: number) => typeof rows[0]?.[column] === "number";
  return [line(heads, isNumber), ...shown.map((row) => line(row, isNumber))].join("\n");
}

/** Somebody else's text on one line: without what moves a terminal's cursor. */
export function printable(value: string): string {
  return value.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** `1h02m`, `3m05s`, `12s`, `340ms`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1_000);
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3_600)}h${two(Math.floor((seconds % 3_600) / 60))}m`;
}

/** `12 MiB`, `3 KiB`, `17 B`. */
export function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${Math.round(bytes / 1_024)} KiB` : `${Math.round(bytes / 1_048_576)} MiB`;
}

/**
 * A value as JSON, as near as that comes: octets are base64url, a Map is an object or a list of pairs, a Set a list, a
 * bigint a text, and what JSON does not have is null.
 */
export function json(value: unknown, indent?: number): string {
  return JSON.stringify(plain(value) ?? null, undefined, indent);
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64url");
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (value instanceof Set) return [...value].map(plain);
  if (value instanceof Map) {
    const pairs = [...value].map(([key, one]) => [plain(key), plain(one)] as const);
    return pairs.every(([key]) => typeof key === "string") ? Object.fromEntries(pairs) : pairs;
  }
  if (Array.isArray(value)) return value.map((one) => plain(one) ?? null);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
  }
  return typeof value === "function" ? null : value;
}
