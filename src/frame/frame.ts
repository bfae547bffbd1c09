/**
 * The frames that a link carries, and their octets. spec/frame.md is the normative text; the vectors in
 * spec/vectors/frames.json are checked against this file.
 *
 * A frame is one octet of type, three octets of length, and that many octets of payload. Frames of the hot path
 * (BATCH, FRAGMENT, ACK) have fixed fields; the rare ones are MessagePack maps, in which unknown keys are ignored.
 */
import { decodePlain, encodePlain } from "../base/messagepack.js";
import { MalformedOctets, OctetReader, OctetWriter, varintLength } from "../base/octets.js";
import { type ControlFrame, controlFields, readControl } from "./control.js";
import { BATCH_BYTES_MAX, FRAME_BYTES_MAX, PING_BYTES_MAX } from "./limits.js";

/** Octets before the payload: the type and the length. */
export const FRAME_HEAD_BYTES = 4;

/** Types from here on may be skipped by a receiver that does not know them; unknown ones below are a violation. */
const OPTIONAL_TYPES_FROM = 0x80;

/** The first octet of each frame. */
export const frameTypes = {
  access: 0x01,
  attach: 0x02,
  welcome: 0x03,
  refused: 0x04,
  close: 0x05,
  closed: 0x06,
  batch: 0x10,
  fragment: 0x11,
  ack: 0x12,
  ping: 0x13,
  pong: 0x14,
  exchange: 0x15,
  goaway: 0x80,
} as const;

/** A numbered batch of whole messages. */
export interface BatchFrame {
  readonly type: "batch";
  /** 1, 2, 3, … in each direction, shared with FRAGMENT. */
  readonly sequence: number;
  /** The sender's session clock when the batch was first sent (D14). */
  readonly clockMs: number;
  /** One or more messages, each of which tells its own end. */
  readonly messages: Uint8Array;
}

/** A numbered piece of one message that is too long for a batch (D8). */
export interface FragmentFrame {
  readonly type: "fragment";
  readonly sequence: number;
  readonly clockMs: number;
  /** Which message of this direction: 1, 2, 3, …, counted over fragmented messages only. */
  readonly message: number;
  /** How many octets of the message follow after this piece; 0 ends it. */
  readonly left: number;
  readonly octets: Uint8Array;
}

/** Everything up to and with batch `sequence` has been received into bounded queues; not necessarily consumed. */
export interface AckFrame {
  readonly type: "ack";
  readonly sequence: number;
}

/** Octets that come back as they are: is the path alive, and does it let octets through at once? */
export interface PingFrame {
  readonly type: "ping" | "pong";
  readonly octets: Uint8Array;
}

/** Confirms a CLOSE. */
export interface ClosedFrame {
  readonly type: "closed";
}

/** Any frame. */
export type Frame = BatchFrame | FragmentFrame | AckFrame | PingFrame | ClosedFrame | ControlFrame;

const typeNames = new Map<number, Frame["type"]>(
  Object.entries(frameTypes).map(([name, octet]) => [octet, name as Frame["type"]]),
);

/** The octets of one frame. */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const writer = new OctetWriter(64);
  writeFrame(writer, frame);
  return writer.take();
}

/** Appends one frame to `writer`. */
export function writeFrame(writer: OctetWriter, frame: Frame): void {
  writer.u8(frameTypes[frame.type]);
  const lengthAt = writer.reserve(3);
  writePayload(writer, frame);
  writer.setU24(lengthAt, writer.length - lengthAt - 3);
}

function writePayload(writer: OctetWriter, frame: Frame): void {
  switch (frame.type) {
    case "batch":
      writer.varint(frame.sequence);
      writer.varint(frame.clockMs);
      writer.octets(frame.messages);
      return;
    case "fragment":
      writer.varint(frame.sequence);
      writer.varint(frame.clockMs);
      writer.varint(frame.message);
      writer.varint(frame.left);
      writer.octets(frame.octets);
      return;
    case "ack":
      writer.varint(frame.sequence);
      return;
    case "ping":
    case "pong":
      writer.octets(frame.octets);
      return;
    case "closed":
      return;
    default:
      encodePlain(writer, controlFields(frame));
  }
}

/** The octets of a BATCH, in one allocation: the hot path's short cut of {@link encodeFrame}. */
export function encodeBatch(sequence: number, clockMs: number, messages: Uint8Array): Uint8Array<ArrayBuffer> {
  const payload = varintLength(sequence) + varintLength(clockMs) + messages.length;
  const writer = new OctetWriter(FRAME_HEAD_BYTES + payload);
  writer.u8(frameTypes.batch);
  writer.u24(payload);
  writer.varint(sequence);
  writer.varint(clockMs);
  writer.octets(messages);
  return writer.buffer;
}

/**
 * The frames of one write, in order. Throws {@link MalformedOctets} for anything that is not whole frames of known
 * types and allowed lengths; what was read before it is given to `receive` first. Payloads are views of `octets`.
 */
export function decodeFrames(octets: Uint8Array, receive: (frame: Frame) => void): void {
  let offset = 0;
  while (offset < octets.length) {
    const length = frameLengthAt(octets, offset);
    if (length === undefined || offset + length > octets.length) throw new MalformedOctets("a frame that is cut off");
    const frame = decodeFrame(octets, offset, offset + length);
    offset += length;
    if (frame !== undefined) receive(frame);
  }
}

/**
 * The length of the frame that begins at `offset`, head included; undefined while its head is not complete. Throws
 * {@link MalformedOctets} when the stated length is above FRAME_BYTES_MAX, before anything is kept.
 */
export function frameLengthAt(octets: Uint8Array, offset: number): number | undefined {
  if (octets.length - offset < FRAME_HEAD_BYTES) return undefined;
  const reader = new OctetReader(octets, offset + 1);
  const length = reader.u24();
  if (length > FRAME_BYTES_MAX) throw new MalformedOctets(`a frame of ${length} octets, above ${FRAME_BYTES_MAX}`);
  return FRAME_HEAD_BYTES + length;
}

/** One frame that fills `start` to `end`; undefined for an optional type that this version does not know. */
function decodeFrame(octets: Uint8Array, start: number, end: number): Frame | undefined {
  const octet = octets[start] as number;
  const type = typeNames.get(octet);
  if (type === undefined) {
    if (octet >= OPTIONAL_TYPES_FROM) return undefined;
    throw new MalformedOctets(`an unknown frame type 0x${octet.toString(16).padStart(2, "0")}`);
  }
  return decodePayload(type, new OctetReader(octets, start + FRAME_HEAD_BYTES, end));
}

function decodePayload(type: Frame["type"], reader: OctetReader): Frame {
  switch (type) {
    case "batch": {
      const [sequence, clockMs] = [positive(reader.varint()), reader.varint()];
      return { type, sequence, clockMs, messages: messageOctets(reader) };
    }
    case "fragment": {
      const [sequence, clockMs] = [positive(reader.varint()), reader.varint()];
      const [message, left] = [positive(reader.varint()), reader.varint()];
      return { type, sequence, clockMs, message, left, octets: messageOctets(reader) };
    }
    case "ack": {
      const sequence = reader.varint();
      if (reader.remaining > 0) throw new MalformedOctets("octets after an acknowledgement");
      return { type, sequence };
    }
    case "ping":
    case "pong":
      if (reader.remaining > PING_BYTES_MAX) throw new MalformedOctets(`a ping above ${PING_BYTES_MAX} octets`);
      return { type, octets: reader.bytes(reader.remaining) };
    case "closed":
      if (reader.remaining > 0) throw new MalformedOctets("octets in a frame that has none");
      return { type };
    default: {
      const fields = decodePlain(reader);
      if (reader.remaining > 0) throw new MalformedOctets("octets after a control frame's fields");
      return readControl(type, fields);
    }
  }
}

function positive(value: number): number {
  if (value === 0) throw new MalformedOctets("a number that begins at 1 is 0");
  return value;
}

function messageOctets(reader: OctetReader): Uint8Array {
  if (reader.remaining === 0 || reader.remaining > BATCH_BYTES_MAX) {
    throw new MalformedOctets(`a batch of ${reader.remaining} octets of messages; 1 to ${BATCH_BYTES_MAX} are allowed`);
  }
  return reader.bytes(reader.remaining);
}
