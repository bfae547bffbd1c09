/** Frames as the checker sees them: read here again from spec/frame.md, so that it shares nothing with the core. */

/** The types of frames that the checker looks at. */
export const wireTypes = {
  access: 0x01,
  attach: 0x02,
  welcome: 0x03,
  refused: 0x04,
  close: 0x05,
  batch: 0x10,
  fragment: 0x11,
  ack: 0x12,
  pong: 0x14,
} as const;

/** One frame of a write. */
export interface WireFrame {
  readonly type: number;
  /** The whole frame. */
  readonly octets: Uint8Array;
  /** BATCH and FRAGMENT: the number. ACK: up to which. 0 in all others. */
  readonly sequence: number;
  /** FRAGMENT: which of the messages that are cut. */
  readonly message: number;
  /** BATCH and FRAGMENT: what comes behind the fixed fields. */
  readonly messages: Uint8Array;
  /** FRAGMENT: octets of the message that follow in later fragments. */
  readonly left: number;
}

const NONE = new Uint8Array(0);

/** The frames of one write. */
export function* wireFrames(octets: Uint8Array): Generator<WireFrame> {
  for (let start = 0; start < octets.length; ) {
    const type = octets[start] as number;
    const length =
      ((octets[start + 1] as number) << 16) | ((octets[start + 2] as number) << 8) | (octets[start + 3] as number);
    const end = start + 4 + length;
    const frame = octets.subarray(start, end);
    start = end;
    const isBatch = type === wireTypes.batch || type === wireTypes.fragment;
    if (!isBatch) {
      const sequence = type === wireTypes.ack ? varint(frame, 4)[0] : 0;
      yield { type, octets: frame, sequence, message: 0, messages: NONE, left: 0 };
      continue;
    }
    const [sequence, afterSequence] = varint(frame, 4);
    let [, offset] = varint(frame, afterSequence);
    let [message, left] = [0, 0];
    if (type === wireTypes.fragment) {
      [message, offset] = varint(frame, offset);
      [left, offset] = varint(frame, offset);
    }
    yield { type, octets: frame, sequence, message, messages: frame.subarray(offset), left };
  }
}

/** The number at `offset` (RFC 9000, section 16) and where it ends. */
function varint(octets: Uint8Array, offset: number): [number, number] {
  const first = octets[offset] as number;
  const size = 1 << (first >> 6);
  let value = first & 0x3f;
  for (let i = 1; i < size; i++) value = value * 256 + (octets[offset + i] as number);
  return [value, offset + size];
}

/** The code that a CLOSE frame gives: the first value of its map, behind the key "code", a short text. */
export function codeOfClose(frame: Uint8Array): string {
  const keyEnd = 4 + 1 + 1 + "code".length;
  const length = (frame[keyEnd] as number) & 0x1f;
  return Buffer.from(frame.subarray(keyEnd + 1, keyEnd + 1 + length)).toString();
}

/** Whether an ATTACH is that of a companion: its map has a key of that name. */
export function isOfCompanion(frame: Uint8Array): boolean {
  return Buffer.from(frame).includes("companion");
}
