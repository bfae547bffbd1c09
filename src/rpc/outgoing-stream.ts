/** A stream that this side fills: one item at a time is asked of its source, and only while there is credit. */
import { DuowireError } from "../base/errors.js";
import type { OctetWriter } from "../base/octets.js";
import type { Hole } from "./blobs.js";
import { ITEM_BYTES_MIN } from "./incoming-stream.js";
import { MESSAGE_BYTES_LEAST } from "./messages.js";
import type { StreamLoan, StreamOwner } from "./stream-owner.js";

/** One item on its way into a message. */
export interface SourceItem {
  /** Appends the item's value; {@link Hole}s are left for its Blobs. Throws a DuowireError if it cannot be sent. */
  write(writer: OctetWriter): readonly Hole[] | undefined;
  /** It was given to the session, in the message with this mark. */
  sent?(mark: number): void;
  /** The octets of the value if they are known before. */
  readonly bytes?: number;
  /** Whether it must be read before it is written. */
  readonly isToBeRead?: boolean;
  /** Reads it. Rejects with a DuowireError. */
  read?(): Promise<void>;
  /** It will not be sent. */
  drop?(): void;
}

/** Where the items of a stream come from. */
export interface ItemSource {
  /** The next item; undefined at the end. Asked for one at a time. Rejects when the producer fails. */
  next(): Promise<SourceItem | undefined>;
  /**
   * Nobody takes any more: the far side has stopped reading (`reason` may say why), the session has ended (its reason),
   * or an item could not be sent (the error). For a writable one also the far side's answer to the end: without a
   * reason all was well.
   */
  stop(reason: unknown): void;
  /** The message that was to lend it is not sent: it goes back to its owner, untouched. */
  takeBack?(): void;
}

/** What goes next in a stream. */
type Next =
  | { readonly type: "item"; readonly item: SourceItem }
  | { readonly type: "end" }
  | { readonly type: "break"; readonly error: unknown };

/** The sending end of one stream. */
export class OutgoingStream implements StreamLoan {
  /** It is one direction of a channel. */
  isChannel = false;
  /** The mark of the message that lends it; undefined until that is given to the session. */
  mark: number | undefined;
  /** The method whose result or argument it is. */
  origin = "stream";
  /** END or BREAK is given to the session. */
  hasEnded = false;
  /** STOP has come. */
  isStopped = false;
  private next: Next | undefined;
  private isAsking = false;
  /** The mark of the last item, if that may travel in fragments: the next one would overtake it. */
  private longMark: number | undefined;

  /** A stream that the far side lent is `answered`: it has ended only when STOP has come, too. */
  constructor(
    private readonly owner: StreamOwner,
    readonly number: number,
    readonly source: ItemSource,
    readonly isAnswered: boolean,
    private credit = 0,
  ) {}

  /** Whether both sides have said that it is over. */
  get isOver(): boolean {
    return this.hasEnded && (this.isStopped || !this.isAnswered);
  }

  /** More credit came. */
  receiveCredit(octets: number): void {
    this.credit += octets;
    this.ask();
  }

  /** STOP came: the source is told, and the end follows. */
  receiveStop(reason: unknown): void {
    if (this.isStopped) return;
    this.isStopped = true;
    const hadEnded = this.hasEnded || this.next?.type === "end" || this.next?.type === "break";
    if (!hadEnded || this.isAnswered) this.source.stop(reason);
    if (!this.hasEnded) this.put({ type: "end" });
  }

  /** Asks the source for the next item, if it may go. */
  ask(): void {
    if (this.isAsking || this.next || this.credit <= 0 || this.hasEnded || this.isStopped) return;
    this.isAsking = true;
    this.source
      .next()
      .then(
        (item) => this.came(item ? { type: "item", item } : { type: "end" }),
        (error: unknown) => this.came({ type: "break", error }),
      )
      .catch((error: unknown) => this.owner.bug(error));
  }

  /** Ends it by an error of this side. */
  break(error: unknown): void {
    if (this.hasEnded || this.isStopped) return;
    this.source.stop(error);
    this.put({ type: "break", error });
  }

  /** The session is over. */
  abandon(reason: DuowireError): void {
    if (this.hasEnded && !this.isAnswered) return;
    this.hasEnded = this.isStopped = true;
    this.source.stop(reason);
  }

  /** Writes what goes next; false if that must wait for what was sent before. */
  send(): boolean {
    const { next, owner } = this;
    if (!next) return true;
    // Before any item, it is the message that lends it: without credit only an end may go, and not ahead of that.
    const before = this.longMark ?? this.mark;
    if (before !== undefined && !owner.isHanded(before)) return false;
    if (next.type === "item" && !owner.mayTake(next.item.bytes ?? 0)) return false;
    this.next = undefined;
    if (next.type === "item") this.sendOrRead(next.item);
    else {
      this.hasEnded = true;
      owner.sendEnd(this, next.type === "break" ? next : undefined);
    }
    return true;
  }

  takeBack(): void {
    this.owner.forget(this);
    this.source.takeBack?.();
  }

  discard(): void {
    this.break(new DuowireError("stream_broken", "what was to write into it never got it"));
  }

  giveUp(error: DuowireError): void {
    this.break(error);
  }

  private sendOrRead(item: SourceItem): void {
    if (!item.isToBeRead) return this.sendItem(item);
    // As if it were asked for: nothing of this stream overtakes it, and other streams go on.
    this.isAsking = true;
    this.owner
      .readItem(item)
      .then(
        () => this.wasRead(item),
        (error: unknown) => this.wasRead(item, error),
      )
      .catch((error: unknown) => this.owner.bug(error));
  }

  private wasRead(item: SourceItem, error?: unknown): void {
    this.isAsking = false;
    if (this.next || this.hasEnded || this.isStopped) item.drop?.();
    else if (error === undefined) this.sendItem(item);
    else this.refused(error);
  }

  private sendItem(item: SourceItem): void {
    try {
      const sent = this.owner.sendItem(this, item);
      if ("isToBeRead" in sent) return this.put({ type: "item", item: sent });
      this.credit -= Math.max(sent.bytes, ITEM_BYTES_MIN);
      this.longMark = sent.bytes > MESSAGE_BYTES_LEAST ? sent.mark : undefined;
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      return this.refused(error);
    }
    this.ask();
  }

  private refused(error: unknown): void {
    this.owner.failed(this, error);
    this.break(error);
  }

  private came(next: Next): void {
    this.isAsking = false;
    // What ended it while the source was asked, such as an error, is not undone by what the source says to that.
    if (this.hasEnded || this.isStopped || this.next) return next.type === "item" ? next.item.drop?.() : undefined;
    if (next.type === "break") this.owner.failed(this, next.error);
    this.put(next);
  }

  private put(next: Next): void {
    if (this.next?.type === "item") this.next.item.drop?.();
    this.next = next;
    this.owner.ready(this);
  }
}
