/** Numbers and sizes for people. */

const numbers = new Intl.NumberFormat("en");

/** 42049 as "42,049". */
export function count(value: number): string {
  return numbers.format(value);
}

/** "1 row", "42,049 rows". */
export function counted(value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? "" : "s"}`;
}

/** Octets as "2.0 MB", "64 MB". */
export function size(bytes: number): string {
  if (bytes < 1_000) return counted(bytes, "byte");
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(0)} kB`;
  return `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0)} MB`;
}

/** `text`, or its beginning if it is long. */
export function shortened(text: string, charsMax = 60): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}
