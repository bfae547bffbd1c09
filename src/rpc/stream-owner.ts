/** What the ends of a stream and the parts of a peer know of each other. */
import type { DuowireError } from "../base/errors.js";
import type { HeldValue } from "./held-value.js";
import type { IncomingStream } from "./incoming-stream.js";
import type { OutgoingStream, SourceItem } from "./outgoing-stream.js";
import type { Taken } from "./references.js";

/** A stream as something that a message lends or brings. */
export interface StreamLoan {
  /** The mark of the message that lends it. */
  mark: number | undefined;
  /** The message that was to lend it is not sent. */
  takeBack(): void;
  /** The message that brought it is not delivered. */
  discard(): void;
  /** The call that lends it is given up: it ends with this error, at both sides. */
  giveUp(error: DuowireError): void;
}

/** A message that was given to the session: its mark, and its octets. */
export interface Sent {
  readonly mark: number;
  readonly bytes: number;
}

/** What the ends of streams ask of their peer. */
export interface StreamOwner {
  /** Credit is due. */
  grant(stream: IncomingStream): void;
  /** No more is wanted. */
  stop(stream: IncomingStream, reason: unknown): void;
  /** What came with an item has no owner any more. */
  giveBack(taken: readonly Taken[] | undefined): void;
  /** It was never lent. */
  forget(stream: IncomingStream | OutgoingStream): void;
  /** A bug of ours, where nobody else would catch it. */
  bug(error: unknown): void;
  /** Something is to be sent. */
  ready(stream: OutgoingStream): void;
  /** A producer of this side failed. */
  failed(stream: OutgoingStream, error: unknown): void;
  /** Gives an item to the session; if Blobs in it have to be read first, the answer is what to send then. */
  sendItem(stream: OutgoingStream, item: SourceItem): Sent | HeldValue;
  /** Reads an item. Rejects with a DuowireError. */
  readItem(item: SourceItem): Promise<void>;
  sendEnd(stream: OutgoingStream, failure: { readonly error: unknown } | undefined): void;
  isHanded(mark: number): boolean;
  /** Whether the far side is known to take a value of so many octets. */
  mayTake(bytes: number): boolean;
}
