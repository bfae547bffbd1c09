/** A stream that the far side fills: what has come is kept until it is asked for, and credit bounds how much. */
import type { DuowireError } from "../base/errors.js";
import type { Taken } from "./references.js";
import type { StreamLoan, StreamOwner } from "./stream-owner.js";

/**
 * How many octets of one stream may be on their way or wait to be read, at first. Nobody holds more of a stream than
 * its window and one item, however slow its reader is.
 */
export const STREAM_WINDOW_BYTES = 262_144;
/** What the window grows to while its reader takes more than comes: it is the way that is long, then. */
export const STREAM_WINDOW_BYTES_MAX = 1_048_576;
/** What may be sent before the first credit, where the sender begins: to writable streams and through channels. */
export const STREAM_EARLY_BYTES = 65_536;
/** What an item uses of the credit at least, however few octets it has: it takes memory. */
export const ITEM_BYTES_MIN = 64;

interface Item {
  readonly value: unknown;
  readonly bytes: number;
  /** What came with it and nobody owns yet. */
  readonly taken: readonly Taken[] | undefined;
}

interface Waiter {
  /** What must not be collected as garbage while it waits. */
  readonly keep: object | undefined;
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

const done: IteratorResult<unknown, undefined> = { done: true, value: undefined };

/** The reading end of one stream. */
export class IncomingStream implements StreamLoan {
  /** It is one direction of a channel. */
  isChannel = false;
  mark: number | undefined;
  /** What holds the WritableStream of this side that is lent. */
  writer: { releaseLock(): void } | undefined;
  /** Octets that are read and not given back as credit. */
  owed = 0;
  /** No more is wanted. */
  isStopped = false;
  /** END or BREAK has come. */
  hasEnded = false;
  private failure: { readonly error: unknown } | undefined;
  private items: (Item | undefined)[] = [];
  private nextItem = 0;
  private waiting: Waiter[] = [];
  private isStarted: boolean;
  private windowBytes = STREAM_WINDOW_BYTES;
  /** Its reader has waited since the last credit. */
  private hasWaited = false;

  /** With `credit`, the far side begins before it is asked. */
  constructor(
    private readonly owner: StreamOwner,
    readonly number: number,
    private credit = 0,
  ) {
    this.isStarted = credit > 0;
    if (this.isStarted) this.owed = STREAM_WINDOW_BYTES - credit;
  }

  /** Whether somebody waits for what has not come. */
  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Whether the far side may send something. */
  get mayReceive(): boolean {
    return this.credit > 0 && !this.hasEnded;
  }

  /** An item came, in a message of so many octets. */
  receive(value: unknown, messageBytes: number, taken: readonly Taken[] | undefined): void {
    const bytes = Math.max(messageBytes, ITEM_BYTES_MIN);
    this.credit -= bytes;
    if (this.isStopped) return this.owner.giveBack(taken);
    const waiter = this.waiting.shift();
    if (!waiter) {
      this.items.push({ value, bytes, taken });
      return;
    }
    this.used(bytes);
    waiter.resolve({ done: false, value });
  }

  /** END came, or with `failure` BREAK or the end of the session. What came before can still be read. */
  end(failure?: { readonly error: unknown }): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.failure = failure;
    for (const waiter of this.waiting.splice(0)) this.settle(waiter);
  }

  /**
   * The next item, as iterators tell it; rejects once with the error that ended the stream. The first call starts it.
   * While it waits, `keep` is kept from being collected.
   */
  next(keep?: object): Promise<IteratorResult<unknown, undefined>> {
    const item = this.takeItem();
    if (item) {
      this.used(item.bytes);
      return Promise.resolve({ done: false, value: item.value });
    }
    if (this.isStarted) this.hasWaited = true;
    else {
      this.isStarted = true;
      this.used(STREAM_WINDOW_BYTES);
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject, keep };
      if (this.hasEnded || this.isStopped) this.settle(waiter);
      else this.waiting.push(waiter);
    });
  }

  /** No more is wanted: the far side is told, and why if there is a reason. */
  stop(reason?: unknown): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.failure = undefined;
    for (const item of this.items.slice(this.nextItem)) this.owner.giveBack(item?.taken);
    this.items = [];
    this.nextItem = 0;
    for (const waiter of this.waiting.splice(0)) waiter.resolve(done);
    this.owner.stop(this, reason);
  }

  /** What is to be given as credit now. */
  takeCredit(): number {
    const bytes = this.owed;
    this.credit += bytes;
    this.owed = 0;
    return bytes;
  }

  /** It ends by an error of this side, such as an item that is refused: its reader is told, and the far side. */
  refuse(error: DuowireError): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.failure = { error };
    for (const waiter of this.waiting.splice(0)) this.settle(waiter);
    this.owner.stop(this, error);
  }

  takeBack(): void {
    this.isStopped = true;
    this.owner.forget(this);
    this.writer?.releaseLock();
  }

  discard(): void {
    this.stop();
  }

  giveUp(error: DuowireError): void {
    this.refuse(error);
  }

  private used(bytes: number): void {
    this.owed += bytes;
    // It is given back in pieces of half a window: fewer messages, and the rest is on its way meanwhile.
    if (this.owed < this.windowBytes / 2 || this.hasEnded || this.isStopped) return;
    if (this.hasWaited && this.windowBytes < STREAM_WINDOW_BYTES_MAX) {
      this.owed += this.windowBytes;
      this.windowBytes *= 2;
    }
    this.hasWaited = false;
    this.owner.grant(this);
  }

  private takeItem(): Item | undefined {
    const item = this.items[this.nextItem];
    if (!item) return undefined;
    this.items[this.nextItem++] = undefined;
    // What is read is not kept, also where there is always more to read.
    if (this.nextItem < this.items.length / 2) return item;
    this.items = this.items.slice(this.nextItem);
    this.nextItem = 0;
    return item;
  }

  private settle(waiter: Waiter): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure) waiter.reject(failure.error);
    else waiter.resolve(done);
  }
}
