/**
 * What streams are in JavaScript: which objects are sent as one, and what stands for one that came. Each arrives as
 * what it was: a ReadableStream as a ReadableStream (of octets if it was one), a WritableStream as a WritableStream,
 * anything that can be iterated step by step as an async iterable.
 */
import { deferred } from "../base/deferred.js";
import type { IncomingStream } from "./incoming-stream.js";
import { localError } from "./messages.js";
import type { ItemSource, SourceItem } from "./outgoing-stream.js";

/** A ReadableStream of any values. The numbers are the wire's. */
export const READABLE = 0;
/** A ReadableStream of octets: one with `type: "bytes"`. */
export const READABLE_OCTETS = 1;
/** An async iterable: also an async generator, a generator, and Node's own streams. */
export const ITERABLE = 2;
/** A WritableStream: the receiver fills it. */
export const WRITABLE = 3;

/** One of the four. */
export type StreamKind = typeof READABLE | typeof READABLE_OCTETS | typeof ITERABLE | typeof WRITABLE;

type AnyIterable = AsyncIterable<unknown> | Iterable<unknown>;

/** How `value` crosses as a stream; undefined: it is none. */
export function streamKindOf(value: object): StreamKind | undefined {
  const isReadable = value instanceof ReadableStream;
  if (isReadable || value instanceof WritableStream) {
    if (value.locked) throw localError("invalid_argument", "a stream that is locked has another reader or writer");
    return isReadable ? (isOctetStream(value) ? READABLE_OCTETS : READABLE) : WRITABLE;
  }
  // What can be awaited is to be awaited, also if it could be iterated.
  if ("then" in value) return undefined;
  const { next } = value as { readonly next?: unknown };
  const isGenerator = Symbol.iterator in value && typeof next === "function";
  return isGenerator || Symbol.asyncIterator in value ? ITERABLE : undefined;
}

/** Only a stream of octets has readers that bring their own buffer. */
function isOctetStream(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

/** What fills a stream from `value`, which is one of this kind. */
export function sourceOf(kind: StreamKind, value: object, item: (value: unknown) => SourceItem): ItemSource {
  return kind === ITERABLE
    ? new IterableSource(value as AnyIterable, item)
    : new ReadableSource(value as ReadableStream<unknown>, item);
}

/** Reads a ReadableStream of this side. */
class ReadableSource implements ItemSource {
  private readonly reader: ReadableStreamDefaultReader<unknown>;

  constructor(
    stream: ReadableStream<unknown>,
    private readonly item: (value: unknown) => SourceItem,
  ) {
    this.reader = stream.getReader();
  }

  async next(): Promise<SourceItem | undefined> {
    const { done, value } = await this.reader.read();
    return done ? undefined : this.item(value);
  }

  stop(reason: unknown): void {
    this.reader.cancel(reason).catch(() => {});
  }

  takeBack(): void {
    this.reader.releaseLock();
  }
}

/** Iterates an async iterable or a generator of this side. Nothing of it runs before the first item is asked for. */
class IterableSource implements ItemSource {
  private iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;

  constructor(
    private readonly iterable: AnyIterable,
    private readonly item: (value: unknown) => SourceItem,
  ) {}

  async next(): Promise<SourceItem | undefined> {
    this.iterator ??= this.iterate();
    const { done, value } = await this.iterator.next();
    // A generator that is not async may hand out promises.
    return done ? undefined : this.item(await value);
  }

  stop(): void {
    this.finish().catch(() => {});
  }

  /** Its `finally` runs: at once, or when what it awaits has settled. */
  private async finish(): Promise<void> {
    const { iterable, iterator = iterable as Partial<AsyncIterator<unknown>> } = this;
    await iterator.return?.();
    // One of Node's own streams holds something open also before it is read.
    (iterable as { destroy?(): void }).destroy?.();
  }

  private iterate(): AsyncIterator<unknown> | Iterator<unknown> {
    return Symbol.asyncIterator in this.iterable
      ? this.iterable[Symbol.asyncIterator]()
      : this.iterable[Symbol.iterator]();
  }
}

/**
 * What a WritableStream of this side writes into a stream that the far side lent. It does not keep that WritableStream:
 * one that nobody has any more can be collected, and the stream is broken then.
 */
export class WritableSource implements ItemSource {
  private readonly closing = deferred<void>();
  private controller: { deref(): WritableStreamDefaultController | undefined } | undefined;
  /** What is written and not sent yet. */
  private written: { readonly item: SourceItem | undefined } | undefined;
  private wanted: ((item: SourceItem | undefined) => void) | undefined;
  private unwanted: ((error: unknown) => void) | undefined;
  private isClosing = false;
  private isOver = false;

  constructor(
    private readonly item: (value: unknown) => SourceItem,
    private readonly abort: (reason: unknown) => void,
  ) {}

  /** Makes the WritableStream; once. */
  open(): WritableStream<unknown> {
    return new WritableStream({
      start: (controller) => {
        this.controller = typeof WeakRef === "undefined" ? { deref: () => controller } : new WeakRef(controller);
        // An abort does not wait for what is being written, nor for the far side's answer to the end.
        const { signal } = controller;
        signal?.addEventListener("abort", () => this.giveUp(signal.reason));
      },
      write: (value) => this.write(this.item(value)),
      close: () => this.close(),
      abort: (reason) => this.giveUp(reason),
    });
  }

  next(): Promise<SourceItem | undefined> {
    return new Promise((resolve) => {
      const { written } = this;
      this.written = undefined;
      if (written) resolve(written.item);
      else this.wanted = resolve;
    });
  }

  /** Without a reason it is the far side's word that all was written, or that it wants no more. */
  stop(reason: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.wanted?.(undefined);
    if (this.isClosing && reason === undefined) return this.closing.resolve();
    const error = reason ?? localError("stream_broken", "the far side takes no more of this stream");
    this.closing.reject(error);
    this.unwanted?.(error);
    const controller = this.controller?.deref();
    // One that was aborted is failing already, and Node does not bear both.
    if (!controller?.signal?.aborted) controller?.error(error);
  }

  private giveUp(reason: unknown): void {
    const error = reason ?? localError("cancelled", "the stream was aborted");
    this.abort(error);
    // Behind an end that was sent nothing can be said any more, but nobody here waits for its answer either.
    this.stop(error);
  }

  /** Resolves when the item was given to the session. */
  private write(item: SourceItem): Promise<void> {
    return new Promise((resolve, reject) => {
      this.unwanted = reject;
      const { bytes } = item;
      this.give({
        write: (writer) => item.write(writer),
        sent: () => resolve(),
        ...(bytes !== undefined && { bytes }),
      });
    });
  }

  private close(): Promise<void> {
    this.isClosing = true;
    this.give(undefined);
    return this.closing.promise;
  }

  private give(item: SourceItem | undefined): void {
    const { wanted } = this;
    this.wanted = undefined;
    if (wanted) wanted(item);
    else this.written = { item };
  }
}

/** The items of a stream of the far side, step by step. It can be iterated once. */
export class RemoteIterable implements AsyncIterableIterator<unknown, undefined> {
  constructor(private readonly stream: IncomingStream) {}

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.stream.next(this);
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.stream.stop();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<unknown, undefined>> {
    this.stream.stop(error);
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.stop();
  }
}

/** A ReadableStream that asks `stream` for an item when it is read, and not before. */
export function readableOf(stream: IncomingStream, isOctets: boolean): ReadableStream<unknown> {
  const cancel = (reason: unknown) => stream.stop(reason);
  if (!isOctets) {
    const pull = async (controller: ReadableStreamDefaultController<unknown>) => {
      const { done, value } = await stream.next();
      if (done) controller.close();
      else controller.enqueue(value);
    };
    return new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
  }
  const pull = async (controller: ReadableByteStreamController) => {
    const { done, value } = await nextOctets(stream);
    if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>);
    controller.close();
    controller.byobRequest?.respond(0);
  };
  return new ReadableStream({ type: "bytes", pull, cancel });
}

/** The next octets, at least one: a stream of octets knows no empty chunks. */
async function nextOctets(stream: IncomingStream): Promise<IteratorResult<unknown, undefined>> {
  for (;;) {
    const result = await stream.next();
    if (result.done) return result;
    if (!(result.value instanceof Uint8Array)) {
      const error = localError("invalid_argument", "the far side sent no octets in a stream of octets");
      stream.stop(error);
      throw error;
    }
    if (result.value.length > 0) return result;
  }
}

/** Writes all of `stream` into a WritableStream of this side, as fast as that takes it, and tells how that went. */
export async function drainInto(stream: IncomingStream, writer: WritableStreamDefaultWriter<unknown>): Promise<void> {
  const fail = (error: unknown) => stream.stop(error ?? localError("stream_broken", "it was aborted"));
  writer.closed.catch(fail);
  let result: IteratorResult<unknown, undefined>;
  do {
    try {
      result = await stream.next();
    } catch (error) {
      stream.stop();
      return writer.abort(error);
    }
    if (result.done) continue;
    await writer.ready;
    writer.write(result.value).catch(fail);
  } while (!result.done);
  if (stream.isStopped) return;
  await writer.close();
  stream.stop();
}
