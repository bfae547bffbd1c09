/** Sends a file to the desk, in parts. The page and the Node command do it with the same code. */
import type { Remote } from "duowire";
import type { Desk } from "../service/desk.js";
import { FILE_BYTES_MAX, PART_BYTES, type Report } from "./wire.js";
import { size } from "./words.js";

/** A file, wherever it lies. */
export interface FileSource {
  readonly name: string;
  readonly bytes: number;
  read(from: number, to: number): Promise<Uint8Array>;
}

/** How many parts may be on their way at once: the next one leaves when the desk has read an older one. */
const PARTS_IN_FLIGHT = 4;

/** Sends a file and resolves with the report about it. Rejects with what the desk says, or with why the session ended. */
export async function sendFile(desk: Remote<Desk>, file: FileSource): Promise<Report> {
  // The desk checks this too; here it spares the journey.
  if (file.bytes > FILE_BYTES_MAX) throw new Error(tooLarge(file));
  await desk.begin({ name: file.name, bytes: file.bytes });
  const inFlight: PromiseLike<unknown>[] = [];
  for (let from = 0; from < file.bytes; from += PART_BYTES) {
    const part = await file.read(from, Math.min(from + PART_BYTES, file.bytes));
    if (inFlight.length >= PARTS_IN_FLIGHT) await inFlight.shift();
    inFlight.push(desk.part(part));
  }
  await Promise.all(inFlight);
  return desk.finish();
}

/** Why a file is not taken. */
export function tooLarge({ name, bytes }: Pick<FileSource, "name" | "bytes">): string {
  return `${name} has ${size(bytes)}; the desk takes files up to ${size(FILE_BYTES_MAX)}. Send a part of it.`;
}
