/** The peer over the session's own queue: what the queue tells of messages that left decides a call's outcome. */
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { defaultLimits } from "../../src/frame/limits.js";
import { RpcPeer } from "../../src/rpc/peer.js";
import { release } from "../../src/rpc/stub.js";
import type { Remote } from "../../src/rpc/types.js";
import { type BatchContent, Outgoing } from "../../src/session/outgoing.js";
import { hex, limits, octets, VirtualClock } from "./support.js";

interface Root {
  take(...values: unknown[]): unknown;
}

function setUp(root?: object) {
  const sink = new Outgoing(8_388_608, defaultLimits);
  const peer = new RpcPeer({ sink, clock: new VirtualClock(), wake() {}, limits, root });
  peer.setLimits(limits);
  return { sink, peer, remote: peer.remote as Remote<Root> };
}

/** Leaves in a batch. */
function hand(sink: Outgoing, bytesMax = 65_536): BatchContent | undefined {
  return sink.next(bytesMax);
}

async function outcomeOf(call: PromiseLike<unknown>): Promise<unknown> {
  const error = await Promise.resolve(call).then(
    () => undefined,
    (reason: DuowireError) => reason,
  );
  return [error?.code, error?.outcome];
}

test("calls that left whole have an unknown outcome, all others were not sent", async () => {
  const { sink, peer, remote } = setUp();
  const short = [remote.take(1), remote.take(2)];
  hand(sink);
  const later = remote.take(3);
  const long = [remote.take(new Uint8Array(200_000)), remote.take(new Uint8Array(100_000))];
  // The short one and fragments of both long ones in turn: the second long one is complete first.
  for (let content = hand(sink); content; content = hand(sink))
    if (content.kind === "fragment" && content.left === 0) break;
  const last = remote.take(4);
  sink.clear();
  peer.end(new DuowireError("lease_expired", undefined, { side: "local" }));
  const unknown = ["outcome_unknown", "outcome_unknown"];
  const notSent = ["not_sent", "not_sent"];
  const all = [...short, later, ...long, last];
  expect(await Promise.all(all.map(outcomeOf))).toEqual([unknown, unknown, unknown, notSent, unknown, notSent]);
});

test("release waits until a long answer that names the reference has left whole", () => {
  const kept: object[] = [];
  const { sink, peer } = setUp({
    take: (fn: object) => {
      kept.push(fn);
      return [fn, new Uint8Array(150_000)];
    },
  });
  peer.receive(octets("95 01 01 00 a474616b65 91 d51001 00"), 0);
  release(kept[0] as object);
  for (let n = 0; n < 3; n++) {
    expect(peer.urgent(1_000)).toBe(undefined);
    expect(hand(sink)?.kind).toBe("fragment");
  }
  expect(hex(peer.urgent(1_000) as Uint8Array)).toBe("93050101");
});

test("giving up a call with a stream breaks the stream only when the long call has left whole", () => {
  const { sink, peer, remote } = setUp();
  async function* items() {
    yield 1;
  }
  const call = remote.take(new Uint8Array(150_000), items());
  expect(hand(sink)?.kind).toBe("fragment");
  call[Symbol.dispose]();
  expect(hex(peer.urgent(1_000) as Uint8Array)).toBe("920401");
  for (let left = 1; left > 0; ) {
    expect(peer.urgent(1_000)).toBe(undefined);
    const content = hand(sink);
    left = content?.kind === "fragment" ? content.left : Number.NaN;
  }
  expect(peer.isHeldBack).toBe(true);
  peer.urgent(1_000);
  expect(hex((hand(sink) as BatchContent).octets).slice(0, 6)).toBe("930a01");
});
