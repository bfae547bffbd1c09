/** The body of an HTTP request or answer over a flow: no end ever holds more than some 256 KiB of it. */
import { messageOf } from "../base/thrown.js";
import type { Flow, FlowEnd } from "./flow.js";

/** Octets of a body that wait at the receiver before the sender waits, too. */
export const BODY_BYTES_MAX = 262_144;
/** A chunk is cut into pieces of at most this size. */
const PIECE_BYTES_MAX = 65_536;

/** Sends a stream into a flow as fast as the other end takes it, and finishes the flow. */
export class BodySender {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private isStopped = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly flow: Flow,
    body: ReadableStream<Uint8Array> | null,
  ) {
    this.reader = body?.getReader();
  }

  /** Settles when the body is sent, was stopped, or has failed; never rejects. */
  async run(): Promise<void> {
    try {
      for (;;) {
        const part = await this.reader?.read();
        if (this.isStopped) return;
        if (part === undefined || part.done) return this.flow.finish("", "whole");
        if (!(part.value instanceof Uint8Array)) throw new TypeError("a body is a stream of octets (Uint8Array)");
        await this.send(part.value);
      }
    } catch (error) {
      this.stop(messageOf(error));
    }
  }

  /** The other end has taken some. */
  drained(): void {
    this.wake?.();
  }

  /** Nobody wants the rest: the stream is cancelled. Does nothing when all was sent. */
  stop(reason: string): void {
    if (this.isStopped || this.flow.isFinished) return;
    this.isStopped = true;
    this.wake?.();
    this.flow.finish(reason, "aborted");
    this.reader?.cancel(new Error(reason)).catch(() => undefined);
  }

  private async send(octets: Uint8Array): Promise<void> {
    for (let at = 0; at < octets.length && !this.isStopped; at += PIECE_BYTES_MAX) {
      this.flow.send(octets.subarray(at, at + PIECE_BYTES_MAX));
      while (this.flow.queuedBytes >= BODY_BYTES_MAX && !this.isStopped && !this.flow.isFinished) {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}

/** The stream of what comes over a flow. What is not read yet is not acknowledged, so the sender waits. */
export class BodyReceiver {
  readonly stream: ReadableStream<Uint8Array>;
  private readonly waiting: Uint8Array[] = [];
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  private pulled: (() => void) | undefined;
  private end: { readonly reason: string; readonly how: FlowEnd } | undefined;
  private isOver = false;

  constructor(
    private readonly flow: Flow,
    /** Whoever read it wants no more. */
    private readonly cancelled: () => void,
  ) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => this.pull(),
        cancel: () => this.cancel(),
      },
      { highWaterMark: 0 },
    );
  }

  receive(octets: Uint8Array): void {
    // Nobody reads it any more; the sender still wants to come to its end.
    if (this.isOver) return this.flow.took(octets.length);
    this.waiting.push(octets);
    this.pulled?.();
  }

  finished(reason: string, how: FlowEnd): void {
    this.end = { reason, how };
    // An answer that broke is known at once; a whole one only when everything before it was read.
    if (how !== "whole" && !this.isOver) {
      this.isOver = true;
      this.controller.error(new Error(reason || "the other side ended the body before its end"));
    } else if (this.waiting.length === 0) this.close();
    this.pulled?.();
  }

  private pull(): Promise<void> | undefined {
    const octets = this.waiting.shift();
    if (octets !== undefined) {
      this.flow.took(octets.length);
      this.controller.enqueue(octets);
      if (this.waiting.length === 0 && this.end !== undefined) this.close();
      return undefined;
    }
    if (this.end !== undefined) return undefined;
    return new Promise<void>((resolve) => {
      this.pulled = () => {
        this.pulled = undefined;
        if (!this.isOver && this.waiting.length > 0) this.pull();
        resolve();
      };
    });
  }

  private close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.controller.close();
  }

  private cancel(): void {
    this.isOver = true;
    for (const octets of this.waiting.splice(0)) this.flow.took(octets.length);
    this.cancelled();
  }
}
