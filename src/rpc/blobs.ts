/**
 * Blobs and Files in values. Nobody can read their octets at once, so a value is written without them, and they are put
 * where they belong before the message leaves: what else is in it stays as it was when it was written, and a Blob never
 * changes. spec/values.md, section 4; spec/rpc.md, section 3.1.
 */
import { joinOctets, type OctetWriter } from "../base/octets.js";
import { localError } from "./messages.js";

/** How much of a name an error message shows. */
const NAME_CHARS_MAX = 256;

/** Where the octets of a Blob belong among what is written. */
export interface Hole {
  at: number;
  readonly blob: Blob;
  /** How many there are: a browser asks the disk each time, and says 0 of a file that is gone. */
  readonly bytes: number;
}

/** What stands before the octets of a Blob: its type; of a File also its name and when it was changed. */
export function describeBlob(blob: Blob): readonly unknown[] {
  if (!(blob instanceof File)) return [blob.type];
  const { type, name, lastModified } = blob;
  return [type, name, Number.isSafeInteger(lastModified) ? lastModified : 0];
}

/** The Blob or File that was described so; undefined if nothing can be. The octets are copied. */
export function makeBlob(about: readonly unknown[], octets: Uint8Array): Blob | undefined {
  const [type, name, lastModified] = about;
  const parts = [octets as Uint8Array<ArrayBuffer>];
  if (typeof type !== "string") return undefined;
  if (about.length === 1) return new Blob(parts, { type });
  if (about.length !== 3 || typeof name !== "string" || !Number.isSafeInteger(lastModified)) return undefined;
  return new File(parts, name, { type, lastModified: lastModified as number });
}

/** Octets of which some have to be read from Blobs. */
export class UnreadOctets {
  /** How many it will be. */
  readonly bytes: number;
  private readonly parts: (Uint8Array | Hole)[] = [];

  /** Copies what is written from `start` on; the Blobs belong into its `holes`. */
  constructor(writer: OctetWriter, start: number, holes: readonly Hole[]) {
    let bytes = writer.length - start;
    let from = start;
    for (const hole of holes) {
      this.parts.push(writer.copy(from, hole.at), hole);
      bytes += hole.bytes;
      from = hole.at;
    }
    this.parts.push(writer.copy(from));
    this.bytes = bytes;
  }

  /** Reads all Blobs at once. Rejects `invalid_argument` if a file among them was changed or removed. */
  async read(): Promise<Uint8Array> {
    return joinOctets(await Promise.all(this.parts.map((part) => ("blob" in part ? readBlob(part) : part))));
  }
}

/** Never one Blob made of many: a browser takes a file that is gone for an empty part of it. */
async function readBlob({ blob, bytes }: Hole): Promise<Uint8Array> {
  let cause: unknown;
  try {
    const octets = new Uint8Array(await blob.arrayBuffer());
    if (octets.length === bytes) return octets;
  } catch (error) {
    cause = error;
  }
  const which = blob instanceof File ? `the File ${JSON.stringify(blob.name.slice(0, NAME_CHARS_MAX))}` : "a Blob";
  const message = `${which} cannot be read: it may have been changed, moved or removed on the disk`;
  throw localError("invalid_argument", message, { cause, outcome: "not_sent" });
}

/** What to say of a message that is too large, and how to send it. */
export function tooLarge(bytes: number, messageBytesMax: number, hasBlobs: boolean): string {
  const remedy = hasBlobs ? ": pass the stream() of a Blob instead" : "";
  return `${bytes} octets; the far side takes ${messageBytesMax} (messageBytesMax)${remedy}`;
}
