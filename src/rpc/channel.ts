/** A channel of messages beside the calls, with the shape of a MessagePort: for libraries that bring a protocol. */
import { type Deferred, deferred } from "../base/deferred.js";
import type { DuowireError } from "../base/errors.js";
import type { TypedEventTarget } from "../base/events.js";
import type { HeldValue } from "./held-value.js";
import type { IncomingStream } from "./incoming-stream.js";
import { localError } from "./messages.js";
import type { ItemSource, SourceItem } from "./outgoing-stream.js";

/** Octets that may wait at the sender of one channel; the message that would go beyond is refused: `queue_full`. */
export const CHANNEL_BYTES_MAX = 1_048_576;
/** {@link Channel.ready} settles when no more wait than this. */
export const CHANNEL_BYTES_READY = 262_144;

/** What a channel asks of its peer. */
export interface ChannelOwner {
  /** Writes a message down. Throws `invalid_argument`, `message_too_large`. */
  encode(value: unknown): HeldValue;
}

/** The events of a {@link Channel}. */
export interface ChannelEvents {
  /** A message of the far side: `data`. */
  message: MessageEvent;
  /** A message that this side refuses; the channel closes. `data` is the DuowireError that says why. */
  messageerror: MessageEvent;
  /** The channel has ended: `reason` is why the session has, or undefined. */
  close: CustomEvent<{ readonly reason: DuowireError | undefined }>;
}

/**
 * One end of a channel: what is posted here arrives at the far end, once and in order, also when links die in between.
 * Made by `session.channel(name)` at both sides. Messages are any values that calls may carry.
 */
export interface Channel extends TypedEventTarget<ChannelEvents> {
  /** The name that both sides know it by. */
  readonly name: string;
  /** Octets of messages that are posted and not given to the session yet. */
  readonly bufferedAmount: number;
  /** Settles when there is room again: at most 262,144 octets wait. At once if there is. Never rejects. */
  readonly ready: Promise<void>;
  /** Called with each message; setting it starts the channel. */
  onmessage: ((event: MessageEvent) => void) | null;
  /**
   * Posts a message: it is written down now, and leaves as fast as the far side takes it. Throws `invalid_argument` for
   * what cannot be sent, `message_too_large`, `queue_full` when 1,048,576 octets wait (see {@link ready}), and the
   * reason (`closed`, or why the session has ended) after the end. A Blob is read when its turn has come; one that
   * cannot be read ends the channel, with the reason.
   */
  postMessage(message: unknown): void;
  /** Begins to deliver messages: until then they are held. Setting {@link onmessage} does it, too. */
  start(): void;
  /** Ends the channel at both sides. What was posted before still arrives there; what comes from there is dropped. */
  close(): void;
}

/** An end as its peer has it. */
export class ChannelEnd
  extends (EventTarget as new () => TypedEventTarget<ChannelEvents>)
  implements Channel, ItemSource
{
  private waiting: HeldValue[] = [];
  private waitingBytes = 0;
  private wanted: ((item: SourceItem | undefined) => void) | undefined;
  private readiness: Deferred<void> | undefined;
  private incoming: IncomingStream | undefined;
  private listener: ((event: MessageEvent) => void) | null = null;
  private isStarted = false;
  private isReading = false;
  /** Why nothing can be posted any more. */
  private over: DuowireError | undefined;

  constructor(
    private readonly owner: ChannelOwner,
    readonly name: string,
  ) {
    super();
  }

  get bufferedAmount(): number {
    return this.waitingBytes;
  }

  get ready(): Promise<void> {
    if (this.over || this.waitingBytes <= CHANNEL_BYTES_READY) return Promise.resolve();
    this.readiness ??= deferred();
    return this.readiness.promise;
  }

  get onmessage(): ((event: MessageEvent) => void) | null {
    return this.listener;
  }

  set onmessage(listener: ((event: MessageEvent) => void) | null) {
    if (this.listener) this.removeEventListener("message", this.listener as EventListener);
    if (listener) this.addEventListener("message", listener);
    this.listener = listener;
    this.start();
  }

  postMessage(message: unknown): void {
    if (this.over) throw localError(this.over.code, `channel ${this.name}: ${this.over.message}`);
    const posted = this.owner.encode(message);
    if (this.waitingBytes > 0 && this.waitingBytes + posted.bytes > CHANNEL_BYTES_MAX) {
      posted.drop();
      throw localError("queue_full", `${this.waitingBytes} octets wait in channel ${this.name}: await its ready`);
    }
    posted.onSent = () => this.sent(posted.bytes);
    this.waitingBytes += posted.bytes;
    this.waiting.push(posted);
    this.give();
  }

  start(): void {
    this.isStarted = true;
    this.read();
  }

  close(): void {
    this.end(undefined);
  }

  /** The far side has opened it, too. */
  pair(incoming: IncomingStream): void {
    this.incoming = incoming;
    this.read();
  }

  /** The next message. */
  next(): Promise<SourceItem | undefined> {
    return new Promise((resolve) => {
      this.wanted = resolve;
      this.give();
    });
  }

  /** The far side takes no more, or the session has ended. */
  stop(reason: unknown): void {
    for (const one of this.waiting.splice(0)) one.drop();
    this.waitingBytes = 0;
    this.end(reason as DuowireError | undefined);
  }

  private end(reason: DuowireError | undefined): void {
    if (this.over) return;
    this.over = reason ?? localError("closed", "it is closed");
    this.readiness?.resolve();
    this.give();
    // What still comes is read and dropped: the far side's end is behind it.
    this.read();
    queueMicrotask(() => this.dispatchEvent(new CustomEvent("close", { detail: { reason } })));
  }

  private give(): void {
    const { wanted } = this;
    if (!wanted || (this.waiting.length === 0 && !this.over)) return;
    this.wanted = undefined;
    wanted(this.waiting.shift());
  }

  private sent(bytes: number): void {
    this.waitingBytes -= bytes;
    if (!this.readiness || this.waitingBytes > CHANNEL_BYTES_READY) return;
    this.readiness.resolve();
    this.readiness = undefined;
  }

  private read(): void {
    const { incoming } = this;
    if (!incoming || this.isReading || !(this.isStarted || this.over)) return;
    this.isReading = true;
    void this.deliver(incoming);
  }

  private async deliver(incoming: IncomingStream): Promise<void> {
    let reason: DuowireError | undefined;
    try {
      for (;;) {
        const { done, value } = await incoming.next();
        if (done) break;
        if (!this.over) this.dispatchEvent(messageEvent(value));
      }
    } catch (error) {
      reason = error as DuowireError;
      // A message that was refused here, and not the end of the session.
      if (incoming.isStopped && !this.over) this.dispatchEvent(new MessageEvent("messageerror", { data: error }));
    }
    this.end(reason);
  }
}

function messageEvent(data: unknown): MessageEvent {
  const event = new MessageEvent("message", { data });
  // To the event's constructor, undefined is not given, which makes null of it.
  return data === undefined ? Object.defineProperty(event, "data", { value: undefined }) : event;
}
