/** Whole frames from octets that come in arbitrary pieces, as in the body of an HTTP request or answer. */
import { joinOctets } from "../base/octets.js";
import { frameLengthAt } from "./frame.js";

/** Keeps at most one incomplete frame. */
export class FrameSplitter {
  private rest: Uint8Array = new Uint8Array(0);

  /**
   * Takes the next piece and returns the whole frames that it completes, as one octet string; undefined for none.
   * Throws MalformedOctets when a frame states a length above the limit.
   */
  push(piece: Uint8Array): Uint8Array | undefined {
    const octets = this.rest.length === 0 ? piece : joinOctets([this.rest, piece]);
    let end = 0;
    for (let length = frameLengthAt(octets, end); length !== undefined; length = frameLengthAt(octets, end)) {
      if (end + length > octets.length) break;
      end += length;
    }
    // A copy: the rest may be a small part of a large buffer that would be kept with it.
    this.rest = octets.slice(end);
    return end === 0 ? undefined : octets.subarray(0, end);
  }

  /** Whether the octets so far end with a whole frame. */
  get isWhole(): boolean {
    return this.rest.length === 0;
  }
}
