import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { callSignal } from "../../src/rpc/incoming-call.js";
import type { Remote } from "../../src/rpc/types.js";
import { limits, octets, Pair, turn } from "./support.js";

/** Waits until it is told to stop, or is released. */
class Root {
  started = 0;
  signals: AbortSignal[] = [];
  release: () => void = () => {};

  get exposed() {
    return {
      work: (_?: unknown) => {
        this.started++;
        const signal = callSignal();
        this.signals.push(signal);
        return new Promise<string>((resolve, reject) => {
          this.release = () => resolve("done");
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      },
      stubborn: () => new Promise<string>((resolve) => (this.release = () => resolve("done"))),
      quick: () => "quick",
    };
  }
}

type Exposed = Root["exposed"];

function setUp(callsInFlightMax = 10) {
  const root = new Root();
  const announced = { ...limits, callsInFlightMax };
  const pair = new Pair<unknown, Exposed>(undefined, root.exposed, {}, { limits: announced });
  const controller = new AbortController();
  const withOptions = (options: object) => pair.a.peer.remoteWith(options) as Remote<Exposed>;
  return { root, pair, controller, withOptions, remote: withOptions({ signal: controller.signal }) };
}

test("cancel before it left the queue of waiting calls: never sent", async () => {
  const { pair, remote, controller, root } = setUp(1);
  pair.remoteB.stubborn().catch(() => {});
  const call = remote.work();
  controller.abort("changed my mind");
  const error = await pair.failure(call);
  expect(error).toMatchObject({ code: "cancelled", outcome: "not_sent", side: "local", cause: "changed my mind" });
  expect(await pair.failure(remote.work())).toMatchObject({ code: "cancelled", outcome: "not_sent" });
  root.release();
  await pair.settle();
  expect(root.started).toBe(0);
  expect(await pair.answer(pair.remoteB.quick())).toBe("quick");
});

test("cancel that overtakes its call: it is not started", async () => {
  const { pair, remote, controller, root } = setUp();
  const call = remote.work();
  controller.abort();
  pair.b.peer.receive(pair.a.peer.urgent(1_000) as Uint8Array, 0);
  expect(await pair.failure(call)).toMatchObject({ code: "cancelled", outcome: "outcome_unknown" });
  expect(root.started).toBe(0);
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, lateAnswers: 1 });
});

test("cancel of a parked call: it is not started when its turn comes", async () => {
  const { pair, remote, controller, root } = setUp();
  pair.remoteB.quick();
  remote.work().catch(() => {});
  pair.b.peer.receive(pair.a.sink.hand(1), 0);
  controller.abort();
  pair.b.peer.receive(pair.a.peer.urgent(1_000) as Uint8Array, 0);
  await pair.settle();
  expect(root.started).toBe(0);
  expect(pair.a.peer.isBusy).toBe(false);
});

test("cancel while it runs: the signal is aborted, and the slot is taken until the method ends", async () => {
  const { pair, remote, controller, root } = setUp();
  const call = remote.work();
  await pair.settle();
  controller.abort();
  expect(await pair.failure(call)).toMatchObject({ code: "cancelled", outcome: "outcome_unknown" });
  expect(root.signals[0]?.reason).toMatchObject({ code: "cancelled" });
  expect(pair.b.told.serviceErrors).toEqual([]);

  const { pair: other, remote: stub, controller: abort, root: deaf } = setUp();
  stub.stubborn().catch(() => {});
  await other.settle();
  abort.abort();
  await other.settle();
  expect(other.a.peer.isBusy).toBe(true);
  deaf.release();
  await other.settle();
  expect(other.a.peer.figures).toMatchObject({ openCount: 0, lateAnswers: 1 });
  // The answer to a call that was cancelled is short, whatever the method returned.
  expect(other.b.sink.messages).toEqual([]);
});

test("cancel after the answer does nothing, also when they cross", async () => {
  const { pair, remote, controller } = setUp();
  const call = remote.quick();
  pair.travel(pair.a, pair.b);
  call[Symbol.dispose]();
  expect(await pair.failure(call)).toMatchObject({ code: "cancelled" });
  const answered = remote.quick();
  expect(await pair.answer(answered)).toBe("quick");
  answered[Symbol.dispose]();
  controller.abort();
  expect(await answered).toBe("quick");
  expect(pair.a.told.callFailed).toEqual([]);
  expect(pair.a.peer.figures.lateAnswers).toBe(1);
});

test("cancel that did not leave before the answer came is not sent", () => {
  const { pair, remote } = setUp();
  const call = remote.quick();
  pair.travel(pair.a, pair.b);
  call[Symbol.dispose]();
  pair.a.peer.receive(pair.b.sink.hand(), 0);
  expect(pair.a.peer.urgent(1_000)).toBe(undefined);
});

test("cancel of a call that cannot be open is a violation", () => {
  const { pair } = setUp();
  const { peer } = pair.b;
  for (const message of ["9204 40", "9204 01", "9204 01"]) peer.receive(octets(message), 0);
  expect(() => peer.receive(octets("9204 41"), 0)).toThrow(/cancel/);
  expect(() => peer.receive(octets("9204 cf000fffffffffffff"), 0)).toThrow(/cancel/);
});

test("ahead states the cancelled calls that are not answered, and is applied before the replay", async () => {
  const { pair, remote, controller, root } = setUp();
  const first = pair.remoteB.work();
  const second = remote.work();
  const third = pair.remoteB.quick();
  const replay = [0, 0, 0].map(() => pair.a.sink.hand());
  controller.abort();
  expect(pair.a.peer.urgent(1_000)).toEqual(octets("920402"));
  const ahead = pair.a.peer.ahead(1_000) as Uint8Array;
  expect(ahead).toEqual(octets("920402"));
  expect(pair.a.peer.ahead(10)).toBe(undefined);
  pair.b.peer.receiveAhead(ahead);
  pair.b.peer.receiveAhead(ahead);
  for (const message of replay) pair.b.peer.receive(message, 0);
  expect(root.started).toBe(1);
  root.release();
  expect(await pair.answer(Promise.all([first, third]))).toEqual(["done", "quick"]);
  expect(await pair.failure(second)).toMatchObject({ code: "cancelled" });
  expect(pair.a.peer.ahead(1_000)).toBe(undefined);
});

test("ahead with anything but CANCEL is malformed", () => {
  const { pair } = setUp();
  expect(() => pair.b.peer.receiveAhead(octets("93050101"))).toThrow(/CANCEL/);
});

test("deadline passes at the caller: it settles at once, and the late answer is counted", async () => {
  const { pair, withOptions, root } = setUp();
  const call = withOptions({ timeoutMs: 50 }).work();
  await pair.settle();
  pair.clock.advance(49);
  expect(root.signals[0]?.aborted).toBe(false);
  pair.clock.advance(1);
  expect(await pair.failure(call)).toMatchObject({ code: "deadline_exceeded", outcome: "outcome_unknown" });
  expect(root.signals[0]?.reason).toMatchObject({ code: "deadline_exceeded" });
  expect(pair.a.peer.figures).toMatchObject({ openCount: 0, lateAnswers: 1 });
  expect(pair.clock.timerCount).toBe(0);
});

test("deadline of a call that waits for the window: not_sent, and it never goes", async () => {
  const { pair, withOptions, root } = setUp(1);
  pair.remoteB.stubborn().catch(() => {});
  const call = withOptions({ timeoutMs: 50 }).work();
  pair.clock.advance(50);
  expect(await pair.failure(call)).toMatchObject({ code: "deadline_exceeded", outcome: "not_sent" });
  root.release();
  await pair.settle();
  expect(root.started).toBe(0);
});

test("deadline that passed on the way: the call is not started", async () => {
  const { pair, withOptions, root } = setUp();
  const call = withOptions({ timeoutMs: 50 }).work();
  const message = pair.a.sink.hand();
  pair.clock.advance(50);
  pair.b.peer.receive(message, pair.a.sessionMs);
  expect(await pair.failure(call)).toMatchObject({ code: "deadline_exceeded" });
  expect(root.started).toBe(0);
});

test("deadline is on the caller's clock: a callee that knows it late gives more time, never less", async () => {
  const { pair, withOptions, root } = setUp();
  withOptions({ timeoutMs: 50 })
    .work()
    .catch(() => {});
  const message = pair.a.sink.hand();
  pair.clock.advance(40);
  pair.b.peer.receive(message, 20);
  pair.clock.advance(29);
  expect(root.signals[0]?.aborted).toBe(false);
  pair.clock.advance(1);
  expect(root.signals[0]?.aborted).toBe(true);
});

test("deadline in time leaves no timer behind, and one beyond a platform's longest is kept", async () => {
  const { pair, withOptions, root } = setUp();
  expect(await pair.answer(withOptions({ timeoutMs: 50 }).quick())).toBe("quick");
  expect(pair.clock.timerCount).toBe(0);
  const call = withOptions({ timeoutMs: 3e9 }).work();
  await pair.settle();
  pair.clock.advance(2_147_483_647);
  expect(root.signals[0]?.aborted).toBe(false);
  pair.clock.advance(3e9);
  expect(await pair.failure(call)).toMatchObject({ code: "deadline_exceeded" });
});

test("timeoutMs must be a number from 0 on; Infinity is none", async () => {
  const { pair, withOptions } = setUp();
  for (const timeoutMs of [-1, Number.NaN])
    expect(await pair.failure(withOptions({ timeoutMs }).quick())).toMatchObject({ code: "invalid_argument" });
  expect(await pair.answer(withOptions({ timeoutMs: Number.POSITIVE_INFINITY }).quick())).toBe("quick");
});

test("end of the session aborts running methods with its reason, and answers nothing more", async () => {
  const { pair, root } = setUp();
  pair.remoteB.work().catch(() => {});
  await pair.settle();
  const reason = new DuowireError("lease_expired");
  pair.b.peer.end(reason);
  expect(root.signals[0]?.reason).toBe(reason);
  await turn();
  expect(pair.b.sink.messages).toEqual([]);
  expect(pair.b.told.serviceErrors).toEqual([]);
  expect(pair.b.told.bugs).toEqual([]);
});

test("callSignal outside of a call is never aborted", () => {
  expect(callSignal().aborted).toBe(false);
});

test("a signal has one listener, however many calls are made with it, and none afterwards", async () => {
  const { pair, remote, controller } = setUp(100);
  const calls = Array.from({ length: 50 }, () => remote.work());
  const quick = await pair.answer(remote.quick());
  expect(quick).toBe("quick");
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
  controller.abort("enough");
  const outcomes = await pair.answer(Promise.allSettled(calls));
  for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: "cancelled", cause: "enough" } });
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
});
