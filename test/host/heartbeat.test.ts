import fc from "fast-check";
import { expect, test } from "vitest";
import { Heartbeat } from "../../src/host/heartbeat.js";

const limits = { startMs: 10_000, stuckMs: 10_000 };

/** Carriers `a`, `b`, … that answer at once unless they are stuck, and a server that may be late itself. */
class World {
  now = 5_000;
  readonly heartbeat: Heartbeat<string>;
  readonly stuck = new Set<string>();
  readonly killed = new Map<string, "stuck" | "late">();
  /** Answers that have come, and that the server has not read. */
  private unread: string[] = [];
  pings = 0;

  constructor(some = limits) {
    this.heartbeat = new Heartbeat(some, this.now);
  }

  start(carrier: string): void {
    this.heartbeat.watch(carrier, this.now);
    this.heartbeat.loaded(carrier);
  }

  /** The next tick, late by so much. Timers come before messages in a turn of Node's event loop. */
  tick(lateMs = 0): void {
    this.now += this.heartbeat.intervalMs + lateMs;
    const { ping, stuck, late } = this.heartbeat.tick(this.now);
    for (const one of stuck) this.killed.set(one, "stuck");
    for (const one of late) this.killed.set(one, "late");
    for (const one of this.unread) this.heartbeat.answered(one);
    this.pings += ping.length;
    this.unread = ping.filter((one) => !this.stuck.has(one));
  }

  passMs(ms: number): void {
    for (const until = this.now + ms; this.now < until; ) this.tick();
  }
}

test("Heartbeat asks every carrier four times in stuckMs, and finds the one that does not answer", () => {
  const world = new World();
  world.start("a");
  world.start("b");
  world.passMs(60_000);
  expect([world.killed.size, world.pings, world.heartbeat.intervalMs]).toEqual([0, 2 * 12, 2_500]);
  world.stuck.add("b");
  world.passMs(10_000);
  expect(world.killed.size).toBe(0);
  world.passMs(5_000);
  expect([...world.killed]).toEqual([["b", "stuck"]]);
});

test("Heartbeat finds a carrier that does not load its module in time, and asks it nothing before", () => {
  const world = new World({ startMs: 400, stuckMs: 10_000 });
  world.heartbeat.watch("a", world.now);
  world.heartbeat.answered("a");
  world.passMs(300);
  expect([world.killed.size, world.pings]).toEqual([0, 0]);
  world.passMs(100);
  expect([...world.killed]).toEqual([["a", "late"]]);
});

test("Heartbeat with stuckMs 0 asks, for the figures, judges nobody, and still knows a deadline for the start", () => {
  const world = new World({ startMs: 1_000, stuckMs: 0 });
  world.start("a");
  world.stuck.add("a");
  world.heartbeat.watch("b", world.now);
  world.passMs(60_000);
  expect([world.pings, [...world.killed]]).toEqual([1, [["b", "late"]]]);
});

test("Heartbeat forgets a carrier that has ended, and begins to count anew with the next first one", () => {
  const world = new World();
  world.start("a");
  world.stuck.add("a");
  world.passMs(5_000);
  world.heartbeat.forget("a");
  expect(world.heartbeat.size).toBe(0);
  world.now += 3_600_000;
  world.heartbeat.watch("b", world.now);
  world.passMs(7_500);
  expect(world.killed.size).toBe(0);
});

test("Heartbeat blames no carrier for the server's own sleep or long turns, and misses none that is stuck", () => {
  const lateness = fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 500 }),
    fc.constantFrom(5_000, 60_000, 8 * 3_600_000),
  );
  fc.assert(
    fc.property(fc.array(lateness, { minLength: 10, maxLength: 60 }), fc.nat(9), (late, stuckAt) => {
      const world = new World();
      world.start("healthy");
      world.start("sick");
      for (const [index, ms] of late.entries()) {
        if (index === stuckAt) world.stuck.add("sick");
        world.tick(ms);
      }
      expect(world.killed.get("healthy")).toBeUndefined();
      // One tick for an answer that was on its way, one to ask, four until the verdict.
      if (late.length > stuckAt + 6) expect(world.killed.get("sick")).toBe("stuck");
      world.passMs(20_000);
      expect([...world.killed.keys()]).toEqual(["sick"]);
    }),
  );
});
