/**
 * What every implementation of `Link` promises (src/frame/link.ts), promise by promise. A pair of ends is made by the
 * caller; the near end was opened, the far end was accepted.
 */
import { describe, expect, onTestFinished, test } from "vitest";
import { decodeFrames, encodeFrame } from "../../src/frame/frame.js";
import type { Link, LinkEnd, LinkEvents } from "../../src/frame/link.js";

/** Two ends of one link. */
export interface LinkPair {
  readonly near: Link;
  /** Comes into being when the far side hears of the link: for some transports, with the first write. */
  readonly far: Promise<Link>;
  /** Breaks whatever carries the link, without a word. */
  cut(): void;
}

/** How one kind of link is made, and where it differs by nature. */
export interface LinkKindUnderTest {
  readonly name: string;
  /** Makes a pair whose ends listen from the very start. */
  make(near: LinkEvents, far: LinkEvents): LinkPair | Promise<LinkPair>;
  /** The near end takes one turn's writes and no more: a request's body. */
  readonly oneWrite?: boolean;
  /** The far end hears at once that the near end closed, or that the path was cut; else only some seconds later. */
  readonly farLearns: boolean;
}

/** Everything that one end was told, and whether it was told as promised. */
export class Recorder implements LinkEvents {
  readonly received: number[] = [];
  opens = 0;
  ends: { readonly reason: string; readonly end: LinkEnd }[] = [];
  /** What was told at a moment when nothing may be told. */
  readonly breaches: string[] = [];
  /** A call of `send` or `close` is under way. */
  isInside = false;
  onReceive: (n: number) => void = () => {};
  onOpened: () => void = () => {};

  opened(): void {
    this.note("opened");
    this.opens += 1;
    this.onOpened();
  }

  receive(octets: Uint8Array): void {
    this.note("receive");
    // Throws for anything but whole frames.
    decodeFrames(octets, (frame) => {
      if (frame.type !== "batch") return;
      this.check(frame.sequence, frame.messages);
      this.received.push(frame.sequence);
      this.onReceive(frame.sequence);
    });
  }

  closed(reason: string, end: LinkEnd): void {
    this.note("closed");
    this.ends.push({ reason, end });
  }

  private note(event: string): void {
    if (this.isInside) this.breaches.push(`${event} inside send or close`);
    if (this.ends.length > 0) this.breaches.push(`${event} after closed`);
  }

  private check(n: number, octets: Uint8Array): void {
    if (octets.length !== lengthOf(n) || octets.some((octet) => octet !== n % 251)) {
      this.breaches.push(`frame ${n} is not what was sent`);
    }
  }
}

/** Short frames, and now and then one that fills a batch. */
function lengthOf(n: number): number {
  return n % 50 === 0 ? 60_000 : 1 + (n % 40);
}

/** A numbered frame. */
export function numbered(n: number): Uint8Array {
  return encodeFrame({ type: "batch", sequence: n, clockMs: 0, messages: new Uint8Array(lengthOf(n)).fill(n % 251) });
}

/** The numbers 1 to `last`. */
export function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

/** Sends or closes, and notes that the link may not call back from inside of it. */
function guarded(recorder: Recorder, run: () => void): void {
  recorder.isInside = true;
  run();
  recorder.isInside = false;
}

/** A pair whose far end is there, because frame 1 has arrived over it. */
async function startPair(kind: LinkKindUnderTest) {
  const [near, far] = [new Recorder(), new Recorder()];
  const pair = await kind.make(near, far);
  onTestFinished(() => {
    pair.near.close("the test is over");
    pair.cut();
    expect([...near.breaches, ...far.breaches]).toEqual([]);
    expect(Math.max(near.ends.length, far.ends.length)).toBeLessThanOrEqual(1);
  });
  // What is sent in this moment is a request's body.
  if (kind.oneWrite) near.onOpened = () => pair.near.send(numbered(1));
  await expect.poll(() => near.opens).toBe(1);
  if (!kind.oneWrite) guarded(near, () => pair.near.send(numbered(1)));
  const farLink = await pair.far;
  await expect.poll(() => far.received).toEqual([1]);
  const sendNear = (n: number) => guarded(near, () => pair.near.send(numbered(n)));
  const sendFar = (n: number) => guarded(far, () => farLink.send(numbered(n)));
  return { near, far, nearLink: pair.near, farLink, cut: () => pair.cut(), sendNear, sendFar };
}

type StartedPair = Awaited<ReturnType<typeof startPair>>;

/** The rules for what the near end sends beyond its first write. */
function streamContract(start: () => Promise<StartedPair>, farLearns: boolean): void {
  test("the near end's frames arrive whole, in order and once, of every length", async () => {
    const { far, sendNear, nearLink } = await start();
    for (const n of upTo(300).slice(1)) {
      sendNear(n);
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => far.received.length, { timeout: 5_000 }).toBe(300);
    expect(far.received).toEqual(upTo(300));
    await expect.poll(() => nearLink.queuedBytes).toBe(0);
  });

  test("frames go both ways at once, and each may be an answer to another", async () => {
    const { near, far, sendNear, sendFar } = await start();
    near.onReceive = (n) => queueMicrotask(() => n < 50 && sendNear(n + 1));
    far.onReceive = (n) => queueMicrotask(() => sendFar(n));
    sendNear(2);
    sendFar(1);
    await expect.poll(() => far.received.at(-1), { timeout: 10_000 }).toBeGreaterThanOrEqual(50);
    expect([...new Set(far.received)]).toEqual(upTo(50));
  });

  test("two megabytes of one turn arrive whole and in order, each way at once", async () => {
    const { near, far, sendNear, sendFar } = await start();
    const numbers = Array.from({ length: 40 }, (_, index) => 50 * (index + 1));
    for (const n of numbers) {
      sendNear(n);
      sendFar(n);
    }
    const counts = () => [near.received.length, far.received.length];
    await expect.poll(counts, { timeout: 5_000 }).toEqual([40, 41]);
    expect([near.received, far.received]).toEqual([numbers, [1, ...numbers]]);
  });

  test("close of the near end lets what was sent leave, too", async () => {
    const { near, far, nearLink, sendNear } = await start();
    for (const n of upTo(100).slice(1)) sendNear(n);
    guarded(near, () => nearLink.close("the near end closed"));
    sendNear(101);
    await expect.poll(() => near.ends.length).toBe(1);
    await expect.poll(() => far.received.length, { timeout: 5_000 }).toBe(100);
    expect(far.received).toEqual(upTo(100));
    expect(near.ends[0]?.end).toBe("answered");
    if (farLearns) await expect.poll(() => far.ends.length).toBe(1);
  });
}

/** The rules; each test makes a pair of its own. */
export function linkContract(kind: LinkKindUnderTest): void {
  const start = () => startPair(kind);
  const { name, oneWrite = false, farLearns } = kind;
  if (!oneWrite) describe(name, () => streamContract(start, farLearns));

  describe(name, () => {
    test("the near end is told once that it is open, the far end never", async () => {
      const { near, far } = await start();
      expect([near.opens, far.opens]).toEqual([1, 0]);
    });

    test("the far end's frames arrive whole, in order and once, of every length", async () => {
      const { near, sendFar } = await start();
      for (const n of upTo(300)) {
        sendFar(n);
        if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await expect.poll(() => near.received.length, { timeout: 5_000 }).toBe(300);
      expect(near.received).toEqual(upTo(300));
    });

    test("a megabyte of one turn arrives whole and in order", async () => {
      const { near, sendFar } = await start();
      const numbers = Array.from({ length: 20 }, (_, index) => 50 * (index + 1));
      for (const n of numbers) sendFar(n);
      await expect.poll(() => near.received.length, { timeout: 5_000 }).toBe(20);
      expect(near.received).toEqual(numbers);
    });

    test("close lets what was sent leave, and drops what is sent after it", async () => {
      const { near, farLink, far, sendFar } = await start();
      for (const n of upTo(300)) sendFar(n);
      guarded(far, () => farLink.close("the far end closed"));
      sendFar(301);
      await expect.poll(() => near.received.length, { timeout: 5_000 }).toBe(300);
      await expect.poll(() => [near.ends.length, far.ends.length], { timeout: 5_000 }).toEqual([1, 1]);
      sendFar(302);
      expect(near.received).toEqual(upTo(300));
      expect(far.ends[0]?.end).toBe("answered");
    });

    test("a link that is closed twice, or by both ends at once, is told of once", async () => {
      const { near, far, nearLink, farLink } = await start();
      guarded(near, () => nearLink.close("first"));
      guarded(far, () => farLink.close("at once"));
      guarded(near, () => nearLink.close("second"));
      await expect.poll(() => [near.ends.length, far.ends.length], { timeout: 5_000 }).toEqual([1, 1]);
      nearLink.send(numbered(2));
      farLink.send(numbered(2));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([near.ends.length, far.ends.length, near.received, far.received]).toEqual([1, 1, [], [1]]);
    });

    test("a path that is cut ends the link; what arrived is a beginning of what was sent", async () => {
      const { near, far, farLink, nearLink, cut, sendFar, sendNear } = await start();
      for (const n of upTo(200)) {
        sendFar(n);
        if (!oneWrite) sendNear(n + 1);
      }
      await new Promise((resolve) => setImmediate(resolve));
      cut();
      await expect.poll(() => near.ends.length, { timeout: 5_000 }).toBe(1);
      expect(near.received).toEqual(upTo(near.received.length));
      expect(far.received).toEqual(upTo(far.received.length));
      if (farLearns) await expect.poll(() => far.ends.length).toBe(1);
      for (const link of [nearLink, farLink]) expect(() => link.send(numbered(9))).not.toThrow();
      for (const link of [nearLink, farLink]) expect(() => link.close("late")).not.toThrow();
    });
  });
}
