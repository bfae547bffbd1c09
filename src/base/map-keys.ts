/**
 * The keys of maps as they are read. A key that was never seen costs a hundred times what a known one does (a text, its
 * place in the platform's table of names, a new shape for the object), so how many different ones a value may have is
 * bounded apart from its count.
 */
import type { OctetReader } from "./octets.js";

/** How many different keys all maps of one value may have: no value takes longer than about 250 ms to read. */
export const KEYS_MAX = 65_536;
/** So many unknown ones are not even looked at: most values have far fewer. */
const UNCOUNTED_MAX = 256;

/** Keys seen lately, by a hash of their octets: the same few names come again and again. ASCII only. */
const knownKeys: string[] = new Array(256).fill("");

/** Reads the keys of one value after the other. */
export class MapKeys {
  /** Whether there are more than {@link KEYS_MAX}. */
  isFull = false;
  private unknown = 0;
  private different: Set<string> | undefined;

  /** Begins a new value. */
  reset(): void {
    this.isFull = false;
    this.unknown = 0;
    this.different = undefined;
  }

  /** A key of `length` octets; one that is known costs no new string. */
  read(reader: OctetReader, length: number): string {
    const { input, offset } = reader;
    // Octets past the end make a slot like any other; utf8() refuses them.
    const sum = (input[offset] as number) * 3 + (input[offset + (length >> 1)] as number) * 5 + length;
    const slot = (sum + (input[offset + length - 1] as number) * 7) & 255;
    const known = knownKeys[slot] as string;
    if (known.length === length && length <= reader.remaining) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === input[offset + i]) i++;
      if (i === length) {
        reader.offset = offset + length;
        return known;
      }
    }
    const key = reader.utf8(length);
    if (key.length === length) knownKeys[slot] = key;
    this.count(key);
    return key;
  }

  /** Counts a key that was read otherwise. */
  count(key: string): void {
    if (++this.unknown <= UNCOUNTED_MAX || this.isFull) return;
    this.different ??= new Set();
    this.different.add(key);
    if (this.different.size > KEYS_MAX) this.isFull = true;
  }
}
