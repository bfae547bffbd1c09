import fc from "fast-check";
import { expect, test } from "vitest";
import { callSignal } from "../../src/rpc/incoming-call.js";
import { release } from "../../src/rpc/stub.js";
import type { Remote } from "../../src/rpc/types.js";
import { limits, octets, Pair, type Side, turn } from "./support.js";

/** What may happen next, and what it is about. */
const step = fc.tuple(
  fc.constantFrom("call", "slow", "lend", "cancel", "finish", "hand", "hand", "urgent", "ahead", "release", "advance"),
  fc.boolean(),
  fc.nat(20),
);

class Actor {
  readonly started: number[] = [];
  readonly running: (() => void)[] = [];
  readonly stubs: object[] = [];
  readonly root = {
    call: (n: number) => this.started.push(n),
    slow: (n: number) => {
      this.started.push(n);
      const signal = callSignal();
      return new Promise<void>((resolve, reject) => {
        this.running.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    lend: (n: number, stub: object) => {
      this.started.push(n);
      this.stubs.push(stub);
      return stub;
    },
  };
  readonly calls: { settled: number; call: Disposable }[] = [];
  made = 0;
}

type Root = Actor["root"];

class World {
  readonly actors = [new Actor(), new Actor()] as const;
  readonly pair: Pair<Root, Root>;

  constructor(callsInFlightMax: number) {
    const announced = { limits: { ...limits, callsInFlightMax } };
    this.pair = new Pair<Root, Root>(this.actors[0].root, this.actors[1].root, announced, announced);
  }

  async act([what, isB, n]: [string, boolean, number]): Promise<void> {
    const { a, b } = this.pair;
    const [from, to] = isB ? [b, a] : [a, b];
    const actor = this.actors[isB ? 1 : 0];
    const timed = from.peer.remoteWith({ timeoutMs: 10 + n }) as Remote<Root>;
    switch (what) {
      case "call":
        return this.track(actor, from.remote<Root>().call(++actor.made));
      case "slow":
        return this.track(actor, timed.slow(++actor.made));
      case "lend":
        return this.track(
          actor,
          from.remote<Root>().lend(++actor.made, () => n),
        );
      case "cancel":
        return actor.calls[n % (actor.calls.length || 1)]?.call[Symbol.dispose]();
      case "finish":
        return actor.running.shift()?.();
      case "release": {
        const stub = actor.stubs.shift();
        if (stub) release(stub);
        return;
      }
      case "advance":
        return this.pair.clock.advance(n);
      default:
        return this.deliver(what, from, to, n);
    }
  }

  /** A message leaves, not always the first: long ones take longer. Answers and revokes keep their order among them. */
  private async deliver(what: string, from: Side, to: Side, n: number): Promise<void> {
    if (what === "hand" && from.sink.messages.length > 0)
      to.peer.receive(from.sink.hand(Math.min(n % 4, from.sink.messages.length - 1)), from.sessionMs);
    if (what === "urgent") to.peer.receive(from.peer.urgent(40 + n) ?? new Uint8Array(), from.sessionMs);
    if (what === "ahead") to.peer.receiveAhead(from.peer.ahead(40 + n) ?? new Uint8Array());
    await turn();
  }

  private track(actor: Actor, call: PromiseLike<unknown> & Disposable): void {
    const entry = { settled: 0, call };
    actor.calls.push(entry);
    const settled = () => {
      entry.settled++;
    };
    call.then(settled, settled);
  }

  async finish(): Promise<void> {
    for (let n = 0; n < 3; n++) {
      await this.pair.settle();
      for (const actor of this.actors) for (const resolve of actor.running.splice(0)) resolve();
      for (const actor of this.actors) for (const stub of actor.stubs.splice(0)) release(stub);
    }
    await this.pair.settle();
  }
}

test("calls start in order and settle once, whatever is cancelled, late or overtaken", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), async (steps, inFlight) => {
      const world = new World(inFlight);
      for (const one of steps) await world.act(one);
      await world.finish();
      for (const [index, actor] of world.actors.entries()) {
        const other = world.actors[1 - index] as Actor;
        const sorted = [...other.started].sort((x, y) => x - y);
        expect(other.started).toEqual(sorted);
        expect(new Set(other.started).size).toBe(other.started.length);
        expect(actor.calls.map((call) => call.settled)).toEqual(actor.calls.map(() => 1));
      }
      for (const side of [world.pair.a, world.pair.b]) {
        expect(side.told.bugs).toEqual([]);
        const nothing = { openCount: 0, waitingCount: 0, runningCount: 0, lentCount: 0, heldCount: 0 };
        expect(side.peer.figures).toMatchObject(nothing);
      }
      expect(world.pair.clock.timerCount).toBe(0);
    }),
    { numRuns: 400, seed: 11 },
  );
});

test("octets in any pieces of whole messages give the same", async () => {
  const root = { echo: (value: unknown) => value };
  const pair = new Pair<unknown, typeof root>(undefined, root);
  const two = octets("95 01 01 00 a46563686f 91 05 95 01 02 00 a46563686f 91 06");
  pair.b.peer.receive(two, 0);
  pair.b.peer.receive(new Uint8Array(0), 0);
  expect(pair.b.sink.messages).toHaveLength(2);
});
