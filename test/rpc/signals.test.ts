/** AbortSignals in arguments, and what a method's own calls inherit of the call that it answers (D14). */
import { AsyncLocalStorage } from "node:async_hooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { callSignal } from "../../src/rpc/incoming-call.js";
import { type ContextStorage, detached, keepCallsIn } from "../../src/rpc/on-behalf.js";
import { RemoteError } from "../../src/rpc/remote-error.js";
import type { Remote } from "../../src/rpc/types.js";
import { octets, Pair, turn } from "./support.js";

class Root {
  signals: AbortSignal[] = [];
  finish: ((value: string) => void)[] = [];

  get exposed() {
    return {
      wait: (...values: unknown[]) => {
        const find = (value: unknown): AbortSignal[] =>
          value instanceof AbortSignal ? [value] : value instanceof Object ? Object.values(value).flatMap(find) : [];
        this.signals.push(...values.flatMap(find));
        return new Promise<string>((resolve) => this.finish.push(resolve));
      },
      quick: (signal: AbortSignal) => {
        this.signals.push(signal);
        return signal.aborted;
      },
      give: () => ({ signal: new AbortController().signal }),
    };
  }
}

type Exposed = Root["exposed"];

function setUp() {
  const root = new Root();
  const pair = new Pair<unknown, Exposed>(undefined, root.exposed);
  return { root, pair, remote: pair.remoteB, controller: new AbortController() };
}

const nothing = { openCount: 0, waitingCount: 0, lentCount: 0, heldCount: 0, runningCount: 0 };

test("a signal anywhere in the arguments is aborted with its reason, as the same one for the same one", async () => {
  const { root, pair, remote, controller } = setUp();
  const call = remote.wait(controller.signal, { nested: [controller.signal] });
  await pair.settle();
  const [first, second] = root.signals;
  expect(first).toBeInstanceOf(AbortSignal);
  expect(first).toBe(second);
  expect(first?.aborted).toBe(false);
  controller.abort(new RangeError("enough"));
  await pair.settle();
  expect(first?.aborted).toBe(true);
  expect(first?.reason).toBeInstanceOf(RemoteError);
  expect(first?.reason).toMatchObject({ name: "RangeError", message: "enough" });
  root.finish[0]?.("done");
  expect(await pair.answer(call)).toBe("done");
  await pair.settle();
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
});

test("a signal lasts for the calls that brought it: then it is released, and nothing is aborted any more", async () => {
  const { root, pair, remote, controller } = setUp();
  const calls = [remote.wait(controller.signal), remote.wait(controller.signal)];
  await pair.settle();
  root.finish[0]?.("a");
  await pair.answer(calls[0] as Promise<string>);
  expect(pair.a.peer.figures.lentCount).toBe(1);
  root.finish[1]?.("b");
  await pair.answer(calls[1] as Promise<string>);
  await pair.settle();
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
  controller.abort();
  await pair.settle();
  expect(root.signals.map((signal) => signal.aborted)).toEqual([false, false]);
  expect(pair.b.told.bugs).toEqual([]);
});

test("a signal that was aborted before is so at once; a method that returns at once costs no watching", async () => {
  const { pair, remote, controller } = setUp();
  expect(await pair.answer(remote.quick(controller.signal))).toBe(false);
  expect(pair.b.sink.messages).toEqual([]);
  controller.abort();
  expect(await pair.answer(remote.quick(controller.signal))).toBe(true);
  await pair.settle();
  expect(pair.a.peer.figures).toMatchObject(nothing);
});

test("a signal of a call that is not started, or is cancelled, is released", async () => {
  const { root, pair, remote, controller } = setUp();
  const unknown = (remote as unknown as { nothing(signal: AbortSignal): Promise<void> }).nothing(controller.signal);
  expect(await pair.failure(unknown)).toMatchObject({ code: "method_unknown" });
  const call = remote.wait(controller.signal);
  await pair.settle();
  call[Symbol.dispose]();
  await pair.settle();
  root.finish[0]?.("late");
  await pair.settle();
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
  // Nobody listens to it any more.
  controller.abort();
  await pair.settle();
  expect(pair.a.sink.messages).toEqual([]);
});

test("10,000 calls with a signal leave nothing behind", async () => {
  const { root, pair, remote, controller } = setUp();
  for (let n = 0; n < 20; n++) {
    const calls = Array.from({ length: 500 }, () => remote.wait(controller.signal));
    await pair.settle();
    for (const finish of root.finish.splice(0)) finish("done");
    await pair.answer(Promise.all(calls));
    await pair.settle();
  }
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
});

test("a signal is refused in answers, and above 16 in one call", async () => {
  const { pair, remote } = setUp();
  expect(await pair.failure(remote.give())).toMatchObject({ code: "invalid_argument", outcome: "answered" });
  const many = Array.from({ length: 17 }, () => new AbortController().signal);
  expect(await pair.failure(remote.wait(...many))).toMatchObject({ code: "invalid_argument" });
  await pair.settle();
  expect(pair.a.peer.figures).toMatchObject(nothing);
  expect(pair.b.peer.figures).toMatchObject(nothing);
});

test("a number that was a function cannot become a signal", () => {
  const { pair } = setUp();
  expect(() => pair.b.peer.receive(octets("95 01 01 00 a4 77616974 92 d5 10 01 00 d5 13 01 00"), 0)).toThrow(/kind/);
});

test("the end of the session leaves signals as they are, and tells the method by its own", async () => {
  const { root, pair, remote, controller } = setUp();
  remote.wait(controller.signal).catch(() => {});
  await pair.settle();
  pair.b.peer.end(new DuowireError("lease_expired"));
  pair.a.peer.end(new DuowireError("lease_expired"));
  await turn();
  expect(root.signals[0]?.aborted).toBe(true);
  controller.abort();
  expect(pair.b.told.bugs).toEqual([]);
});

// What is made on a call's behalf.

const synchronous: ContextStorage = (() => {
  let value: unknown;
  return {
    getStore: () => value,
    run: (next, run) => {
      const outer = value;
      value = next;
      try {
        return run();
      } finally {
        value = outer;
      }
    },
  };
})();

beforeAll(() => keepCallsIn(new AsyncLocalStorage()));
afterAll(() => keepCallsIn(synchronous));

interface Client {
  ask(): Promise<string>;
}

/** A desk that asks somebody else, after an await, and says what became of it. */
function asking(other: () => Remote<Client>) {
  const outcomes: unknown[] = [];
  const ask = () =>
    other()
      .ask()
      .then(
        (value) => outcomes.push(value),
        (error: unknown) => outcomes.push(error),
      );
  const desk = {
    signals: [] as AbortSignal[],
    work: async () => {
      await turn();
      desk.signals.push(callSignal());
      await ask();
      await ask();
    },
    leave: async () => {
      await turn();
      void ask();
      void detached(ask);
    },
    alone: async () => {
      await turn();
      await detached(ask);
    },
  };
  return { desk, outcomes };
}

function threeSides() {
  const started: ((value: string) => void)[] = [];
  const signals: AbortSignal[] = [];
  const client = {
    ask: () => {
      signals.push(callSignal());
      return new Promise<string>((resolve) => started.push(resolve));
    },
  };
  const second = new Pair<unknown, Client>(undefined, client);
  const { desk, outcomes } = asking(() => second.remoteB);
  const { work, leave, alone } = desk;
  const first = new Pair<unknown, typeof desk>(undefined, { work, leave, alone });
  const settle = async () => {
    for (let n = 0; n < 4; n++) {
      await first.settle();
      await second.settle();
    }
  };
  return { first, second, desk, outcomes, started, signals, settle };
}

test("callSignal and a cancel reach a method behind its await, and the calls that it makes elsewhere", async () => {
  const { first, desk, outcomes, signals, settle } = threeSides();
  const call = first.remoteB.work();
  await settle();
  expect(signals.length).toBe(1);
  call[Symbol.dispose]();
  await settle();
  expect(desk.signals[0]?.aborted).toBe(true);
  expect(signals[0]?.aborted).toBe(true);
  // The call under way is cancelled; the next one is not made.
  expect(outcomes).toMatchObject([
    { code: "cancelled", outcome: "outcome_unknown" },
    { code: "cancelled", outcome: "not_sent" },
  ]);
});

test("a deadline is inherited by the calls that a method makes, as what is left of it", async () => {
  const { first, second, outcomes, signals, settle } = threeSides();
  const remote = first.a.peer.remoteWith({ timeoutMs: 100 }) as typeof first.remoteB;
  remote.work().catch(() => {});
  await settle();
  second.clock.advance(99);
  expect(signals[0]?.aborted).toBe(false);
  second.clock.advance(1);
  await settle();
  expect(signals[0]?.reason).toMatchObject({ code: "deadline_exceeded" });
  expect(outcomes[0]).toMatchObject({ code: "deadline_exceeded" });
});

test("what a method started goes on when the method has answered, and detached calls are nobody's", async () => {
  const { first, outcomes, started, signals, settle } = threeSides();
  const call = first.remoteB.leave();
  await settle();
  await first.answer(call);
  call[Symbol.dispose]();
  await settle();
  expect(signals.map((signal) => signal.aborted)).toEqual([false, false]);
  for (const finish of started) finish("done");
  await settle();
  expect(outcomes).toEqual(["done", "done"]);

  const alone = first.remoteB.alone();
  await settle();
  alone[Symbol.dispose]();
  await settle();
  expect(signals[2]?.aborted).toBe(false);
});

test("the end of a session stops what was made for it on others", async () => {
  const { first, outcomes, settle } = threeSides();
  first.remoteB.work().catch(() => {});
  await settle();
  first.b.peer.end(new DuowireError("lease_expired"));
  await settle();
  expect(outcomes[0]).toMatchObject({ code: "cancelled", cause: { code: "lease_expired" } });
});
