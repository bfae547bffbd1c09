/** Looks at the beginning of a file: is it text, in which encoding, and what separates its cells? */
import { DeskError } from "./desk-error.js";

/** How a file is to be read. */
export interface FileFormat {
  readonly encoding: string;
  readonly delimiter: string;
}

/** Files that people send by mistake: how they begin, and what to tell. */
const otherFiles: readonly (readonly [string, string])[] = [
  ["PK\x03\x04", "is a ZIP archive or an Excel workbook; save the sheet as CSV and send that"],
  ["\xd0\xcf\x11\xe0", "is an old Excel or Word file; save the sheet as CSV and send that"],
  ["%PDF", "is a PDF document, not a CSV file"],
  ["\x89PNG", "is a picture, not a CSV file"],
  ["\xff\xd8\xff", "is a picture, not a CSV file"],
  ["GIF8", "is a picture, not a CSV file"],
  ["\x1f\x8b", "is compressed with gzip; unpack it and send the CSV file inside"],
];

const delimiters = [",", ";", "\t", "|"];

/** Reads the format from the first octets of a file. Throws `not_csv` with the reason. */
export function fileFormat(name: string, head: Uint8Array): FileFormat {
  const latin = new TextDecoder("latin1").decode(head.subarray(0, 16));
  const other = otherFiles.find(([magic]) => latin.startsWith(magic));
  if (other) throw new DeskError("not_csv", `${name} ${other[1]}.`);
  const encoding = encodingOf(name, head);
  const text = new TextDecoder(encoding).decode(head).trimStart();
  if (text === "") throw new DeskError("not_csv", `${name} is empty: there is nothing to read.`);
  if (/^(\{|\[\s*[[{"\d])/.test(text)) throw notCsv(name, "line 1 begins like JSON");
  if (/^<[!?a-z]/i.test(text)) throw notCsv(name, "line 1 begins like a web page or XML");
  return { encoding, delimiter: delimiterOf(name, text) };
}

function encodingOf(name: string, head: Uint8Array): string {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be";
  if (head.includes(0)) throw new DeskError("not_csv", `${name} is not a text file: it has octets that no text has.`);
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return "utf-8";
  } catch {
    return "windows-1252";
  }
}

/** What stands most often in the header, outside of quotes. */
function delimiterOf(name: string, text: string): string {
  const header = (/^[^\r\n]*/.exec(text)?.[0] ?? "").replace(/"[^"]*"/g, "");
  const counts = delimiters.map((delimiter) => header.split(delimiter).length - 1);
  const most = Math.max(...counts);
  const advice = "a CSV file has two or more, with commas, semicolons, tabs or bars between them";
  if (most === 0) throw notCsv(name, `line 1 has only one column; ${advice}`);
  return delimiters[counts.indexOf(most)] as string;
}

function notCsv(name: string, reason: string): DeskError {
  return new DeskError("not_csv", `${name} is not a CSV file: ${reason}.`);
}
