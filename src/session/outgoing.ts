/**
 * Messages that wait for their batch, and how they are cut into batches (D8).
 *
 * Short messages are written one behind the other into one buffer, so that a whole turn of calls becomes one batch
 * with one copy. A message that is too long for a batch is kept apart and cut into fragments; long messages and the
 * run of short ones take turns, so that none holds up the others.
 */
import { assert } from "../base/assert.js";
import { DuowireError } from "../base/errors.js";
import { OctetWriter } from "../base/octets.js";
import { type AnnouncedLimits, BATCH_BYTES_MAX, FRAGMENTED_MESSAGES_MAX } from "../frame/limits.js";

/** What goes into one batch: whole messages, or a piece of one. */
export type BatchContent =
  | { readonly kind: "whole"; readonly octets: Uint8Array }
  | { readonly kind: "fragment"; readonly message: number; readonly left: number; readonly octets: Uint8Array };

interface LongMessage {
  /** 0 until its first fragment leaves. */
  number: number;
  readonly octets: Uint8Array;
  readonly mark: number;
  /** Octets of all short messages queued before it: they leave first, as rpc/ is promised (spec/rpc.md). */
  readonly behind: number;
  cut: number;
}

/** A fragment shorter than this is not worth its head, unless it is the last: better wait for room. */
const FRAGMENT_BYTES_MIN = 16_384;
/** Octets of used-up messages that a queue which never runs empty keeps before it moves the rest to the front. */
const COMPACT_BYTES = 262_144;
/** What the buffer of short messages may grow to and be kept while they come; it is given back when none come. */
const RUN_BYTES_KEPT = 524_288;
/** Less is always kept. */
const RUN_BYTES_SMALL = 65_536;

/** The queue of one direction. What it holds has not been handed to any link: it is `not_sent` (D14). */
export class Outgoing {
  /** Octets of messages that are queued. */
  queuedBytes = 0;
  /** Octets of a fragment, or of the short messages in one batch, unless there is only one: that is never cut. */
  batchBytes = BATCH_BYTES_MAX;
  private run = new OctetWriter(1_024);
  /** Where each message of the run ends; those before `nextEnd` are used up. */
  private ends: number[] = [];
  private nextEnd = 0;
  private used = 0;
  private begunAt = -1;
  /** Nothing was queued since {@link next} last found nothing. */
  private wasEmpty = true;
  private readonly waiting: LongMessage[] = [];
  private readonly cutting: LongMessage[] = [];
  private cuttingBytes = 0;
  private lastNumber = 0;
  private longIsNext = false;
  /** Octets of all short messages ever queued, and of those that left: a short one's mark is where it ends. */
  private shortBytes = 0;
  private shortBytesHanded = 0;
  /** The marks of long messages, -1, -2, …, of which not all has left. They outlive {@link clear}. */
  private readonly longLeft = new Set<number>();
  private lastLong = 0;

  constructor(
    readonly queueBytesMax: number,
    private limits: AnnouncedLimits,
  ) {}

  /** The far side's limits are known now, or have changed. */
  setLimits(limits: AnnouncedLimits): void {
    this.limits = limits;
  }

  get isEmpty(): boolean {
    return this.queuedBytes === 0;
  }

  /** Whether what is queued has reached `queueBytesMax`: a good moment to start nothing that makes more of it. */
  get isFull(): boolean {
    return this.queuedBytes >= this.queueBytesMax;
  }

  /** Where to write the next message; {@link commit} or {@link rollback} must follow before anything else. */
  begin(): OctetWriter {
    assert(this.begunAt < 0, "a message is begun inside another one");
    this.begunAt = this.run.length;
    return this.run;
  }

  /**
   * Queues what was written since {@link begin}. With `bounded`, a message that would not fit into `queueBytesMax` is
   * refused: `queue_full`. One above the far side's `messageBytesMax` is refused: `message_too_large`. A refused
   * message leaves no trace. Returns the message's mark for {@link isHanded}.
   */
  commit(bounded: boolean): number {
    const start = this.begunAt;
    const size = this.run.length - start;
    const refusal = this.refusalOf(size, bounded);
    if (refusal !== undefined) {
      this.rollback();
      throw refusal;
    }
    this.begunAt = -1;
    this.wasEmpty = false;
    this.queuedBytes += size;
    if (size <= BATCH_BYTES_MAX) {
      this.ends.push(this.run.length);
      this.shortBytes += size;
      return this.shortBytes;
    }
    const mark = --this.lastLong;
    this.longLeft.add(mark);
    this.waiting.push({ number: 0, octets: this.run.cut(start), mark, behind: this.shortBytes, cut: 0 });
    this.tidyRun();
    return mark;
  }

  /** Whether the whole message with this mark has left in batches, however those fared; also after the end. */
  isHanded(mark: number): boolean {
    return mark < 0 ? !this.longLeft.has(mark) : mark <= this.shortBytesHanded;
  }

  /** Forgets what was written since {@link begin}. */
  rollback(): void {
    assert(this.begunAt >= 0, "nothing is begun");
    this.run.length = this.begunAt;
    this.begunAt = -1;
  }

  /** The content of the next batch, at most `bytesMax` octets of messages; undefined when nothing (that fits) waits. */
  next(bytesMax: number): BatchContent | undefined {
    this.admitLong();
    const [hasRun, hasLong] = [this.nextEnd < this.ends.length, this.cutting.length > 0];
    // Whose turn it is waits for room: otherwise what is small enough would take it each time.
    const content = hasRun && !(hasLong && this.longIsNext) ? this.nextRun(bytesMax) : this.nextFragment(bytesMax);
    if (content !== undefined) this.longIsNext = content.kind === "whole";
    if (content === undefined && this.isEmpty) this.giveBack();
    return content;
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.run = new OctetWriter(0);
    this.ends = [];
    this.nextEnd = this.used = this.queuedBytes = this.cuttingBytes = 0;
    this.waiting.length = this.cutting.length = 0;
  }

  private refusalOf(size: number, bounded: boolean): DuowireError | undefined {
    assert(this.begunAt >= 0 && size > 0, "a message is committed that was not written");
    if (size > this.limits.messageBytesMax) {
      const limit = this.limits.messageBytesMax;
      const message = `a message of ${size} octets; the far side takes ${limit} (messageBytesMax): send it in parts`;
      return new DuowireError("message_too_large", message, { side: "local", outcome: "not_sent" });
    }
    // Into an empty queue every message goes that the far side takes: it would never fit otherwise.
    if (bounded && this.queuedBytes > 0 && this.queuedBytes + size > this.queueBytesMax) {
      const message = `${this.queuedBytes} octets wait, ${size} more are above ${this.queueBytesMax} (queueBytesMax)`;
      return new DuowireError("queue_full", message, { side: "local", outcome: "not_sent" });
    }
    return undefined;
  }

  /** As many whole messages as fit, at least one, as a view that is valid until the next message is begun. */
  private nextRun(bytesMax: number): BatchContent | undefined {
    const start = this.used;
    let next = this.nextEnd;
    let end = this.ends[next++] as number;
    if (end > start + bytesMax) return undefined;
    const limit = start + Math.min(bytesMax, this.batchBytes);
    while (next < this.ends.length && (this.ends[next] as number) <= limit) end = this.ends[next++] as number;
    const octets = this.run.buffer.subarray(start, end);
    this.used = end;
    this.nextEnd = next;
    this.queuedBytes -= end - start;
    this.shortBytesHanded += end - start;
    this.tidyRun();
    return { kind: "whole", octets };
  }

  /** Gives the buffer back when it is used up. Never moves octets that the last view still shows. */
  private tidyRun(): void {
    if (this.used === this.run.length) {
      if (this.run.buffer.length > RUN_BYTES_KEPT) this.run.clear();
      else this.run.length = 0;
      this.used = this.nextEnd = 0;
      this.ends = [];
    } else if (this.used > COMPACT_BYTES) {
      const rest = new OctetWriter(2 * (this.run.length - this.used));
      rest.octets(this.run.buffer.subarray(this.used, this.run.length));
      const { used } = this;
      this.ends = this.ends.slice(this.nextEnd).map((end) => end - used);
      this.run = rest;
      this.used = this.nextEnd = 0;
    }
  }

  /** A whole turn without a message: the buffer is not needed, and a session may stay idle for long. */
  private giveBack(): void {
    if (this.wasEmpty && this.run.buffer.length > RUN_BYTES_SMALL) this.run = new OctetWriter(1_024);
    this.wasEmpty = true;
  }

  /** Begins the next long messages whose turn has come, as many as the far side puts together at a time. */
  private admitLong(): void {
    while (this.waiting.length > 0 && this.cutting.length < FRAGMENTED_MESSAGES_MAX) {
      const message = this.waiting[0] as LongMessage;
      if (message.behind > this.shortBytesHanded) return;
      const bytes = this.cuttingBytes + message.octets.length;
      if (this.cutting.length > 0 && bytes > this.limits.assemblyBytesMax) return;
      this.cuttingBytes = bytes;
      message.number = ++this.lastNumber;
      this.cutting.push(message);
      this.waiting.shift();
    }
  }

  private nextFragment(bytesMax: number): BatchContent | undefined {
    const message = this.cutting[0];
    if (message === undefined) return undefined;
    const least = Math.min(message.octets.length - message.cut, FRAGMENT_BYTES_MIN, this.batchBytes);
    if (bytesMax < least) return undefined;
    const end = Math.min(message.cut + Math.min(bytesMax, this.batchBytes), message.octets.length);
    const octets = message.octets.subarray(message.cut, end);
    message.cut = end;
    this.queuedBytes -= octets.length;
    this.cutting.shift();
    const left = message.octets.length - end;
    if (left > 0) this.cutting.push(message);
    else {
      this.cuttingBytes -= message.octets.length;
      this.longLeft.delete(message.mark);
    }
    return { kind: "fragment", message: message.number, left, octets };
  }
}
