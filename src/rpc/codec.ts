/**
 * One encoder and one decoder for all sessions: each value is written or read in one go, so they are never shared in
 * time, and an idle session carries none.
 */
import { DuowireError } from "../base/errors.js";
import type { OctetReader, OctetWriter } from "../base/octets.js";
import type { Hole } from "./blobs.js";
import type { MessageSink } from "./messages.js";
import type { Reference, ReferenceType } from "./reference.js";
import { ValueDecoder, ValueEncoder } from "./values.js";

/** Whose references a value may hold. */
export interface ReferenceOwner {
  readonly stacks: boolean;
  /** How `value` crosses; undefined: not at all. */
  send(value: object): Reference | undefined;
  /** What stands for a reference that came. */
  receive(type: ReferenceType, number: number, kind: number): unknown;
}

/** Set while a value is written or read. */
let owner: ReferenceOwner | undefined;
let isWriting = false;

const encoder = new ValueEncoder({
  reference: (value) => owner?.send(value),
  get stacks() {
    return owner?.stacks ?? false;
  },
});

const decoder = new ValueDecoder({ reference: (type, number, kind) => owner?.receive(type, number, kind) });

/** Begins a message. A getter of a value that is being written cannot: that would be a message inside another one. */
export function beginMessage(sink: MessageSink): OctetWriter {
  if (owner) throw inGetter();
  return sink.begin();
}

function inGetter(): DuowireError {
  return new DuowireError("invalid_argument", "a getter may not send while its object is being sent");
}

/**
 * Appends `value`, or throws `invalid_argument` with its path from `root`. With `takesBlobs` it may hold Blobs: what is
 * written lacks their octets then, and the answer is where they belong.
 */
export function encodeValue(
  of: ReferenceOwner,
  writer: OctetWriter,
  value: unknown,
  root: string,
  takesBlobs = false,
): readonly Hole[] | undefined {
  if (isWriting) throw inGetter();
  isWriting = true;
  owner = of;
  encoder.takesBlobs = takesBlobs;
  encoder.holes = undefined;
  try {
    encoder.encode(writer, value, root);
    return encoder.holes;
  } finally {
    owner = encoder.holes = undefined;
    isWriting = false;
  }
}

/** Reads one value. A DuowireError refuses it, and the reader stands behind it; anything else thrown is malformed. */
export function decodeValue(of: ReferenceOwner, reader: OctetReader): unknown {
  owner = of;
  try {
    return decoder.decode(reader);
  } finally {
    owner = undefined;
  }
}
