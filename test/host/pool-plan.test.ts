import fc from "fast-check";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { type PoolLimits, PoolPlan } from "../../src/host/pool-plan.js";

const limits: PoolLimits = {
  pool: 0,
  warmMin: 1,
  warmMax: 8,
  carriersMax: 256,
  startsMax: 2,
  waitingMax: 64,
  waitMs: 10_000,
};
const FAILURE = new DuowireError("service_failed", "desk.js threw");

/** A plan, time, and a world in which carriers start after `startMs`, or fail to. */
class World {
  now = 0;
  fails = false;
  startMs = 80;
  /** Carrier to its sessions. */
  readonly live = new Map<number, Set<number>>();
  readonly starting = new Map<number, number>();
  readonly stopping = new Set<number>();
  readonly used = new Set<number>();
  /** Access to what became of it. */
  readonly fate = new Map<number, number | DuowireError>();
  startsTried = 0;
  private accesses = 0;
  readonly plan: PoolPlan<number>;

  constructor(readonly limits: PoolLimits) {
    this.plan = new PoolPlan<number>(limits, 0);
    this.drain();
  }

  access(): number {
    this.accesses += 1;
    this.plan.request(this.accesses, this.now);
    this.drain();
    return this.accesses;
  }

  /** Time passes: what is due happens, at its time. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const planMs = this.plan.nextMs(this.now) ?? Number.POSITIVE_INFINITY;
      const [number = 0, dueMs = Number.POSITIVE_INFINITY] = [...this.starting].sort((a, b) => a[1] - b[1])[0] ?? [];
      const next = Math.min(planMs, dueMs);
      if (next > until) break;
      // Time stands still only for an input; a plan that asks for a tick and then does nothing would loop here.
      expect(next).toBeGreaterThanOrEqual(this.now);
      this.now = Math.max(this.now, next);
      if (dueMs <= planMs) this.endStart(number);
      else this.plan.tick(this.now);
      this.drain();
    }
    this.now = until;
  }

  endStart(number: number): void {
    this.starting.delete(number);
    if (this.fails) return this.plan.ended(number, FAILURE, this.now);
    this.live.set(number, new Set());
    this.plan.started(number, this.now);
  }

  /** A carrier dies, and with it its sessions. */
  die(number: number): void {
    this.live.delete(number);
    this.plan.ended(number, FAILURE, this.now);
    this.drain();
  }

  /** A session ends in good order. */
  leave(number: number): void {
    const sessions = this.live.get(number);
    const [session] = sessions ?? [];
    if (session === undefined) return;
    sessions?.delete(session);
    this.plan.left(number, this.now);
    this.drain();
  }

  endStopping(): void {
    for (const number of this.stopping) this.plan.ended(number, FAILURE, this.now);
    this.stopping.clear();
    this.drain();
  }

  fateOf(access: number): string {
    const fate = this.fate.get(access);
    return fate === undefined ? "waits" : typeof fate === "number" ? "assigned" : `${fate.code}: ${fate.message}`;
  }

  private drain(): void {
    for (let action = this.plan.poll(); action !== undefined; action = this.plan.poll()) {
      if (action.kind === "start") {
        this.startsTried += 1;
        expect(this.starting.has(action.carrier) || this.live.has(action.carrier)).toBe(false);
        this.starting.set(action.carrier, this.now + this.startMs);
      } else if (action.kind === "stop") {
        expect(this.starting.delete(action.carrier) || this.live.get(action.carrier)?.size === 0).toBe(true);
        this.live.delete(action.carrier);
        this.stopping.add(action.carrier);
      } else {
        expect(this.fate.has(action.waiter)).toBe(false);
        this.fate.set(action.waiter, action.kind === "assign" ? action.carrier : action.error);
        if (action.kind === "assign") this.assign(action.carrier, action.waiter);
      }
    }
    this.check();
  }

  private assign(carrier: number, access: number): void {
    const sessions = this.live.get(carrier);
    if (sessions === undefined) throw new Error(`carrier ${carrier} is not there`);
    if (this.limits.pool === 0) expect(this.used.has(carrier)).toBe(false);
    for (const other of this.live.values()) expect(sessions.size).toBeLessThanOrEqual(other.size || sessions.size);
    this.used.add(carrier);
    sessions.add(access);
  }

  private check(): void {
    const { waiting } = this.plan.counts;
    const { startsMax, waitingMax, carriersMax, warmMax, pool } = this.limits;
    expect(this.starting.size).toBeLessThanOrEqual(startsMax);
    expect(waiting).toBeLessThanOrEqual(waitingMax);
    const all = this.starting.size + this.live.size + this.stopping.size;
    expect(all).toBeLessThanOrEqual(pool === 0 ? carriersMax : pool + startsMax);
    const idle = [...this.live.keys()].filter((number) => !this.used.has(number)).length;
    // Ahead of a session, not beyond what waits for one: those may have been refused while theirs started.
    if (pool === 0) expect(idle).toBeLessThanOrEqual(warmMax);
    else expect(this.live.size).toBeLessThanOrEqual(pool);
  }
}

test("PoolPlan keeps one carrier ready, and an access takes it at once", () => {
  const world = new World(limits);
  expect(world.starting.size).toBe(1);
  world.pass(80);
  const access = world.access();
  // The access is served before the start of the next one takes the server's time.
  expect([world.fateOf(access), world.starting.size]).toEqual(["assigned", 0]);
  world.pass(50);
  expect(world.starting.size).toBe(1);
});

test("PoolPlan keeps as many ready as came in the busiest second, and forgets it within a minute", () => {
  const world = new World(limits);
  world.pass(1_000);
  const first = Array.from({ length: 5 }, () => world.access());
  expect(first.map((one) => world.fateOf(one))).toEqual(["assigned", "waits", "waits", "waits", "waits"]);
  world.pass(1_000);
  expect([world.plan.counts.idle, world.plan.counts.ready]).toEqual([5, 10]);
  // The same rush again finds all of them ready.
  const second = Array.from({ length: 5 }, () => world.access());
  expect(second.map((one) => world.fateOf(one))).toEqual(Array(5).fill("assigned"));
  world.pass(20_000);
  expect(world.plan.counts.idle).toBe(5);
  world.pass(41_000);
  expect(world.plan.counts.idle).toBe(1);
});

test("PoolPlan never keeps more than warmMax ready, nor fewer than warmMin", () => {
  const world = new World({ ...limits, warmMin: 3, warmMax: 6 });
  world.pass(1_000);
  expect(world.plan.counts.idle).toBe(3);
  for (let i = 0; i < 40; i++) world.access();
  world.pass(5_000);
  expect([world.plan.counts.idle, world.live.size]).toEqual([6, 46]);
  const cold = new World({ ...limits, warmMin: 0, warmMax: 0 });
  const access = cold.access();
  cold.pass(1_000);
  expect([cold.fateOf(access), cold.plan.counts.idle, cold.startsTried]).toEqual(["assigned", 0, 1]);
});

test("PoolPlan refuses what it cannot serve soon: the queue, the number of carriers, the time", () => {
  const flood = new World({ ...limits, waitingMax: 3 });
  const accesses = Array.from({ length: 5 }, () => flood.access());
  expect(accesses.slice(3).map((one) => flood.fateOf(one))).toEqual(
    Array(2).fill("server_busy: 3 accesses wait for a carrier already"),
  );
  const full = new World({ ...limits, carriersMax: 2 });
  const three = [full.access(), full.access(), full.access()];
  full.pass(1_000);
  expect(three.map((one) => full.fateOf(one))).toEqual([
    "assigned",
    "assigned",
    "server_busy: all 2 carriers of the service are in use",
  ]);
  const refusal = full.fate.get(3) as DuowireError;
  expect(refusal.retryAfterMs).toBe(5_000);
  const slow = new World({ ...limits, warmMin: 0 });
  slow.startMs = 60_000;
  const late = slow.access();
  slow.pass(9_999);
  expect(slow.fateOf(late)).toBe("waits");
  slow.pass(1);
  expect(slow.fateOf(late)).toBe("server_busy: no carrier was free within 10000 ms");
});

test("PoolPlan makes room again when a session has ended and its carrier with it", () => {
  const world = new World({ ...limits, carriersMax: 1 });
  world.pass(80);
  world.access();
  world.leave(1);
  expect([...world.stopping]).toEqual([1]);
  expect(world.fateOf(world.access())).toContain("server_busy");
  world.endStopping();
  world.pass(200);
  expect(world.fateOf(world.access())).toBe("assigned");
});

test("PoolPlan says why at once while starts fail, and tries ever more seldom", () => {
  const world = new World(limits);
  world.fails = true;
  const first = world.access();
  world.pass(200);
  expect(world.fateOf(first)).toBe("service_failed: desk.js threw");
  expect(world.fateOf(world.access())).toBe("service_failed: desk.js threw");
  world.pass(3_600_000);
  // 100 ms doubling to 30 s, then twice a minute.
  expect(world.startsTried).toBeLessThan(140);
  expect(world.fateOf(world.access())).toBe("service_failed: desk.js threw");
  world.fails = false;
  world.pass(30_000);
  expect(world.fateOf(world.access())).toBe("assigned");
});

test("PoolPlan backs off from a carrier that starts and dies idle, without refusing anybody", () => {
  const world = new World(limits);
  let deaths = 0;
  for (let ms = 0; ms < 600_000; ms += 10) {
    world.pass(10);
    for (const number of [...world.live.keys()]) {
      world.die(number);
      deaths += 1;
    }
  }
  expect([deaths > 5, deaths < 40]).toEqual([true, true]);
  const access = world.access();
  world.pass(9_000);
  expect(["assigned", "waits"]).toContain(world.fateOf(access));
});

test("PoolPlan with a pool: as many as were asked for, the least loaded first, the dead replaced", () => {
  const world = new World({ ...limits, pool: 3 });
  const early = world.access();
  world.pass(1_000);
  expect([world.fateOf(early), world.live.size]).toEqual(["assigned", 3]);
  for (let i = 0; i < 29; i++) expect(world.fateOf(world.access())).toBe("assigned");
  expect([...world.live.values()].map(({ size }) => size)).toEqual([10, 10, 10]);
  world.leave(2);
  world.access();
  expect(world.live.get(2)?.size).toBe(10);
  world.die(1);
  expect(world.fateOf(world.access())).toBe("assigned");
  world.pass(1_000);
  expect([...world.live.keys()]).toEqual([2, 3, 4]);
  world.pass(600_000);
  expect(world.live.size).toBe(3);
});

test.each([5_000, 20_000])("PoolPlan replaces a shared carrier that had served at once, one every %i ms", (everyMs) => {
  const world = new World({ ...limits, pool: 4 });
  world.pass(1_000);
  let fewest = 4;
  for (let ms = 0; ms < 600_000; ms += everyMs) {
    const accesses = Array.from({ length: 8 }, () => world.access());
    expect(accesses.map((one) => world.fateOf(one))).toEqual(Array(8).fill("assigned"));
    world.die(Math.min(...world.live.keys()));
    fewest = Math.min(fewest, world.live.size);
    world.pass(everyMs);
    expect(world.live.size).toBe(4);
  }
  expect(fewest).toBe(3);
});

test("PoolPlan backs off from shared carriers that die as soon as they have a session", () => {
  const world = new World({ ...limits, pool: 2 });
  for (let ms = 0; ms < 600_000; ms += 100) {
    world.access();
    world.pass(100);
    for (const number of [...world.live.keys()]) if (world.used.has(number)) world.die(number);
  }
  expect(world.startsTried).toBeLessThan(60);
});

test("PoolPlan takes a failure after a start that has lasted for the first", () => {
  const world = new World({ ...limits, pool: 1 });
  world.fails = true;
  world.pass(10_000);
  world.fails = false;
  world.pass(10_000);
  expect(world.live.size).toBe(1);
  world.die(Math.max(...world.live.keys()));
  world.pass(100 + world.startMs);
  expect(world.live.size).toBe(1);
});

test("PoolPlan closes: nobody waits any longer, nothing starts, idle carriers stop", () => {
  const world = new World({ ...limits, warmMin: 2 });
  world.pass(1_000);
  world.access();
  world.plan.close();
  expect(world.fateOf(world.access())).toContain("going_away");
  world.pass(600_000);
  expect([world.live.size, world.starting.size]).toEqual([1, 0]);
  world.leave(1);
  expect(world.live.size).toBe(0);
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant("access" as const) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_000, max: 90_000 }) },
  { weight: 2, arbitrary: fc.constantFrom("die" as const, "leave" as const, "stopped" as const) },
  { weight: 1, arbitrary: fc.constantFrom("fail" as const, "heal" as const) },
);

test("PoolPlan keeps every bound and forgets no access, whatever happens", () => {
  const tally = { assigned: 0, service_failed: 0, server_busy: 0, going_away: 0 };
  const anyLimits = fc.record({
    pool: fc.constantFrom(0, 0, 1, 3),
    warmMin: fc.integer({ min: 0, max: 2 }),
    warmMax: fc.integer({ min: 2, max: 5 }),
    carriersMax: fc.integer({ min: 3, max: 12 }),
    startsMax: fc.integer({ min: 1, max: 3 }),
    waitingMax: fc.integer({ min: 1, max: 4 }),
    waitMs: fc.constantFrom(200, 10_000),
  });
  fc.assert(
    fc.property(anyLimits, fc.array(step, { minLength: 20, maxLength: 150 }), (some, steps) => {
      const world = new World(some);
      for (const [index, one] of steps.entries()) {
        const carriers = [...world.live.keys()];
        const carrier = carriers[index % carriers.length];
        if (typeof one === "number") world.pass(one);
        else if (one === "access") world.access();
        else if (one === "stopped") world.endStopping();
        else if (one === "fail" || one === "heal") world.fails = one === "fail";
        else if (carrier !== undefined) world[one](carrier);
      }
      world.fails = false;
      world.endStopping();
      // Every access is decided in bounded time, and once nothing happens the plan comes to rest where it began.
      world.pass(some.waitMs + 200_000);
      world.endStopping();
      expect(world.plan.counts.waiting).toBe(0);
      expect(world.plan.nextMs(world.now)).toBeUndefined();
      const idle = [...world.live.keys()].filter((number) => !world.used.has(number)).length;
      const used = world.live.size - idle;
      if (some.pool > 0) expect(world.live.size).toBe(some.pool);
      else expect(idle).toBe(Math.min(some.warmMin, some.carriersMax - used));
      for (const fate of world.fate.values())
        tally[typeof fate === "number" ? "assigned" : (fate.code as "server_busy")]++;
    }),
    { numRuns: 300 },
  );
  expect([tally.assigned > 1_000, tally.service_failed > 30, tally.server_busy > 30]).toEqual([true, true, true]);
});
