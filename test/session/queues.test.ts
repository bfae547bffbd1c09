import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { joinOctets } from "../../src/base/octets.js";
import type { BatchFrame, FragmentFrame } from "../../src/frame/frame.js";
import { decodeFrames } from "../../src/frame/frame.js";
import { BATCH_BYTES_MAX, defaultLimits } from "../../src/frame/limits.js";
import { Inbox } from "../../src/session/inbox.js";
import { Outbox } from "../../src/session/outbox.js";
import { type BatchContent, Outgoing } from "../../src/session/outgoing.js";
import { octets } from "./support.js";

const limits = { ...defaultLimits, messageBytesMax: 200_000, assemblyBytesMax: 300_000 };

function queue(outgoing: Outgoing, message: Uint8Array): number {
  outgoing.begin().octets(message);
  return outgoing.commit(true);
}

function codeOf(run: () => void): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof DuowireError ? error.code : String(error);
  }
  return undefined;
}

describe("Outgoing", () => {
  test("puts the messages of one turn into one batch, in order", () => {
    const outgoing = new Outgoing(1_000, limits);
    for (const fill of [1, 2, 3]) queue(outgoing, octets(2, fill));
    expect(outgoing.next(1_000)).toEqual({ kind: "whole", octets: new Uint8Array([1, 1, 2, 2, 3, 3]) });
    expect(outgoing.isEmpty).toBe(true);
    expect(outgoing.next(1_000)).toBeUndefined();
  });

  test("cuts a batch between messages where the room ends", () => {
    const outgoing = new Outgoing(1_000, limits);
    for (let i = 0; i < 3; i++) queue(outgoing, octets(10));
    expect(outgoing.next(9)).toBeUndefined();
    expect(outgoing.next(29)?.octets.length).toBe(20);
    expect(outgoing.next(10)?.octets.length).toBe(10);
  });

  test("takes a message that fills the queue exactly, and refuses one octet more", () => {
    const outgoing = new Outgoing(100, limits);
    queue(outgoing, octets(60));
    expect(codeOf(() => queue(outgoing, octets(41)))).toBe("queue_full");
    queue(outgoing, octets(40));
    expect(outgoing.isFull).toBe(true);
    expect(outgoing.queuedBytes).toBe(100);
    // What is not bounded goes beyond: answers must not be lost.
    outgoing.begin().octets(octets(5));
    outgoing.commit(false);
    expect(outgoing.queuedBytes).toBe(105);
    expect(outgoing.next(1_000)?.octets.length).toBe(105);
  });

  test("takes a message of messageBytesMax, and refuses one octet more without a trace", () => {
    const outgoing = new Outgoing(1_000_000, limits);
    queue(outgoing, octets(limits.messageBytesMax));
    expect(codeOf(() => queue(outgoing, octets(limits.messageBytesMax + 1)))).toBe("message_too_large");
    expect(outgoing.queuedBytes).toBe(limits.messageBytesMax);
  });

  test("begins a message only after the one before", () => {
    const outgoing = new Outgoing(100, limits);
    outgoing.begin().u8(1);
    expect(() => outgoing.begin()).toThrow(/duowire has a bug/);
    outgoing.rollback();
    expect(outgoing.isEmpty).toBe(true);
    expect(() => outgoing.rollback()).toThrow(/duowire has a bug/);
    outgoing.begin();
    expect(() => outgoing.commit(true)).toThrow(/duowire has a bug/);
  });

  test("lets short messages and pieces of long ones take turns", () => {
    const outgoing = new Outgoing(1_000_000, limits);
    queue(outgoing, octets(150_000));
    queue(outgoing, octets(5));
    const kinds: string[] = [];
    for (let content = outgoing.next(BATCH_BYTES_MAX); content; content = outgoing.next(BATCH_BYTES_MAX)) {
      kinds.push(content.kind === "whole" ? "whole" : String(content.left));
      if (kinds.length === 1) queue(outgoing, octets(5));
    }
    expect(kinds).toEqual(["whole", "83440", "whole", "16880", "0"]);
  });

  test("holds no more messages in pieces than the far side puts together", () => {
    const outgoing = new Outgoing(2_000_000, limits);
    for (let i = 0; i < 3; i++) queue(outgoing, octets(150_000));
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) {
      const content = outgoing.next(20_000);
      if (content?.kind === "fragment") seen.add(content.message);
    }
    expect([...seen]).toEqual([1, 2]);
  });

  test("lets a short message that waits for room have it, although a piece of a long one would fit", () => {
    const outgoing = new Outgoing(1_000_000, limits);
    queue(outgoing, octets(150_000));
    outgoing.next(BATCH_BYTES_MAX);
    queue(outgoing, octets(60_000));
    expect([outgoing.next(20_000), outgoing.next(20_000)]).toEqual([undefined, undefined]);
    expect(outgoing.next(BATCH_BYTES_MAX)?.kind).toBe("whole");
    expect(outgoing.next(20_000)?.kind).toBe("fragment");
  });

  test("makes batches and pieces as long as it is told, but never cuts a message that fits a batch", () => {
    const outgoing = new Outgoing(1_000_000, limits);
    outgoing.batchBytes = 8_192;
    queue(outgoing, octets(70_000));
    for (const length of [20_000, 5_000, 3_000, 1_000]) queue(outgoing, octets(length));
    const sizes: number[] = [];
    for (let content = outgoing.next(66_000); content; content = outgoing.next(66_000)) {
      sizes.push(content.octets.length);
    }
    expect(sizes).toEqual([20_000, 8_192, 8_000, 8_192, 1_000, ...Array(6).fill(8_192), 4_464]);
  });

  test("never lets a long message overtake short ones that were queued before it, whatever the room", () => {
    for (const rooms of [[BATCH_BYTES_MAX], [BATCH_BYTES_MAX, 20_000], [30_000, 66_000]]) {
      const outgoing = new Outgoing(1_000_000, limits);
      for (const size of [50_000, 60_000, 64_000]) queue(outgoing, octets(size));
      queue(outgoing, octets(70_000));
      const later = queue(outgoing, octets(10));
      const kinds: string[] = [];
      for (let n = 0; !outgoing.isEmpty; n++) {
        const content = outgoing.next(rooms[n % rooms.length] as number);
        if (content) kinds.push(content.kind);
        if (content?.kind === "fragment" && content.left > 0) expect(outgoing.isHanded(later - 10)).toBe(true);
      }
      expect(kinds.slice(0, 3)).toEqual(["whole", "whole", "whole"]);
    }
  });

  test("says which messages left, also after the end", () => {
    const outgoing = new Outgoing(1_000_000, limits);
    const marks = [queue(outgoing, octets(10)), queue(outgoing, octets(100_000)), queue(outgoing, octets(20))];
    outgoing.next(10);
    outgoing.next(BATCH_BYTES_MAX);
    outgoing.clear();
    // The long one left in part: it cannot have run.
    expect(marks.map((mark) => outgoing.isHanded(mark))).toEqual([true, false, false]);
  });
});

/** Everything that another link is sent again. */
function resent(outbox: Outbox): Uint8Array[] {
  outbox.rewind();
  const frames: Uint8Array[] = [];
  for (let frame = outbox.resend(); frame; frame = outbox.resend()) frames.push(frame);
  return frames;
}

describe("Outbox", () => {
  const whole = (length: number): BatchContent => ({ kind: "whole", octets: octets(length) });

  test("keeps what is not acknowledged, and says it again in order", () => {
    const outbox = new Outbox();
    const frames = [1, 2, 3].map((length) => outbox.push(whole(length), 0));
    expect(outbox.acknowledge(1)).toBe(true);
    expect(outbox.acknowledge(1)).toBe(false);
    expect(resent(outbox)).toEqual(frames.slice(1));
    expect(outbox.unackedBytes).toBe((frames[1]?.length ?? 0) + (frames[2]?.length ?? 0));
    expect(outbox.acknowledge(3)).toBe(true);
    expect([resent(outbox), outbox.unackedBytes]).toEqual([[], 0]);
  });

  test("refuses an acknowledgement that cannot be", () => {
    const outbox = new Outbox();
    outbox.push(whole(1), 0);
    expect(codeOf(() => outbox.acknowledge(2))).toBe("protocol_error");
    outbox.acknowledge(1);
    expect(codeOf(() => outbox.acknowledge(0))).toBe("protocol_error");
  });

  test("forgets nothing over many acknowledgements", () => {
    const outbox = new Outbox();
    for (let i = 1; i <= 10_000; i++) {
      outbox.push(whole(1), 0);
      if (i % 7 === 0) outbox.acknowledge(i - 3);
    }
    expect(resent(outbox).length).toBe(outbox.last - outbox.acked);
  });

  test("knows what of it was sent again over the present link", () => {
    const outbox = new Outbox();
    const frames = Array.from({ length: 5 }, () => outbox.push(whole(1_000), 0));
    const bytes = frames[0]?.length ?? 0;
    outbox.acknowledge(1);
    outbox.rewind();
    expect([outbox.sent, outbox.sentBytes]).toEqual([1, 0]);
    expect([outbox.resend(), outbox.resend()]).toEqual([frames[1], frames[2]]);
    expect([outbox.sent, outbox.sentBytes]).toEqual([3, 2 * bytes]);
    expect(() => outbox.push(whole(1), 0)).toThrow(/duowire has a bug/);
    // What had arrived over the link before is acknowledged by the next welcome, although it was not sent again yet.
    outbox.acknowledge(4);
    expect([outbox.sent, outbox.sentBytes, outbox.unackedBytes]).toEqual([4, 0, bytes]);
    expect(outbox.resend()).toBe(frames[4]);
    expect(outbox.resend()).toBeUndefined();
    outbox.acknowledge(5);
    expect([outbox.sent, outbox.sentBytes, outbox.unackedBytes]).toEqual([5, 0, 0]);
  });
});

describe("Outgoing, Outbox and Inbox together", () => {
  const sizes = fc.array(
    fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 300 }) }, fc.integer({ min: 60_000, max: 180_000 })),
    {
      maxLength: 30,
    },
  );

  test("carry every message once, whole, short ones in order, for any sizes and any room", () => {
    fc.assert(
      fc.property(
        sizes,
        fc.array(fc.integer({ min: 1, max: 80_000 }), { minLength: 1, maxLength: 8 }),
        (lengths, rooms) => {
          const outgoing = new Outgoing(10_000_000, limits);
          const outbox = new Outbox();
          const inbox = new Inbox(limits);
          const messages = lengths.map((length, i) => octets(length, i));
          for (const message of messages) queue(outgoing, message);
          const got: Uint8Array[] = [];
          for (let turn = 0; !outgoing.isEmpty; turn++) {
            // Now and then there is room for anything, so that it ends.
            const room = turn % 3 === 2 ? BATCH_BYTES_MAX : (rooms[turn % rooms.length] as number);
            const content = outgoing.next(room);
            if (content === undefined) continue;
            expect(content.octets.length).toBeLessThanOrEqual(Math.min(room, BATCH_BYTES_MAX));
            decodeFrames(outbox.push(content, 0), (frame) => {
              const delivered = inbox.take(frame as BatchFrame | FragmentFrame);
              if (delivered !== undefined) got.push(delivered.slice());
              // What comes a second time is dropped.
              expect(inbox.take(frame as BatchFrame | FragmentFrame)).toBeUndefined();
            });
          }
          expect(outgoing.isEmpty).toBe(true);
          const isShort = (one: Uint8Array) => one.length <= BATCH_BYTES_MAX;
          const short = joinOctets(messages.filter(isShort));
          const gotShort = joinOctets(got.filter((one) => isShort(one)));
          expect(Buffer.compare(gotShort, short)).toBe(0);
          const long = (all: Uint8Array[]) =>
            all.filter((one) => !isShort(one)).map((one) => `${one[0]} ${one.length}`);
          expect(long(got).sort()).toEqual(long(messages).sort());
          outbox.acknowledge(outbox.last);
          expect(outbox.unackedBytes).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});
