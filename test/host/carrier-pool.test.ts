import { beforeEach, expect, test } from "vitest";
import type { CarrierReport } from "../../src/access/carrier-report.js";
import { DuowireError } from "../../src/base/errors.js";
import { CarrierPool, type CarrierPoolOptions } from "../../src/host/carrier-pool.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { FakeCarrier } from "./fake-carrier.js";

let clock: VirtualClock;
let carriers: FakeCarrier[];
let reports: CarrierReport[];

beforeEach(() => {
  clock = new VirtualClock();
  carriers = [];
  reports = [];
});

function makePool(changes: Partial<CarrierPoolOptions["pool"]> = {}): CarrierPool {
  const options: CarrierPoolOptions = {
    start: (carrierOptions) => {
      const carrier = new FakeCarrier(carriers.length + 1, carrierOptions);
      carriers.push(carrier);
      return carrier;
    },
    carrier: { module: new URL("file:///srv/secret/desk.js"), limits: { memoryMiB: 64, cpuSeconds: 5 } },
    pool: {
      pool: 0,
      warmMin: 1,
      warmMax: 8,
      carriersMax: 256,
      startsMax: 2,
      waitingMax: 64,
      waitMs: 13_000,
      ...changes,
    },
    heartbeat: { startMs: 10_000, stuckMs: 8_000 },
    clock,
  };
  return new CarrierPool(options, (report) => reports.push(report));
}

/** The carriers that have been started and have not been killed or told to leave. */
function at(index: number): FakeCarrier {
  return carriers[index] as FakeCarrier;
}

async function load(...indexes: number[]): Promise<void> {
  for (const index of indexes) at(index).loading.resolve();
  await clock.settle();
}

const lastReport = () => reports.at(-1) as CarrierReport;

test("CarrierPool hands out a carrier that was started ahead, starts the next, and ends one whose session is over", async () => {
  const pool = makePool();
  await load(0);
  const taken = await pool.take();
  expect([taken, carriers.length]).toEqual([at(0), 1]);
  await clock.advance(50);
  expect(carriers.length).toBe(2);
  pool.release(taken);
  await clock.settle();
  expect(at(0).posted).toEqual([{ type: "leave" }]);
  expect(lastReport()).toMatchObject({ number: 1, cause: "stopped", sessions: 0, kind: "process" });
});

test("CarrierPool kills a carrier that was told to leave and does not", async () => {
  const pool = makePool();
  await load(0);
  const taken = await pool.take();
  at(0).answers = false;
  pool.release(taken);
  await clock.advance(1_999);
  expect(at(0).killedFor).toBeUndefined();
  await clock.advance(1);
  expect([at(0).killedFor, lastReport().cause]).toEqual(["it did not leave", "stopped"]);
});

test("CarrierPool kills a carrier whose event loop does not turn, and says so", async () => {
  const pool = makePool({ warmMin: 0, warmMax: 0 });
  const taking = pool.take();
  await load(0);
  await taking;
  await clock.advance(60_000);
  expect(at(0).killedFor).toBeUndefined();
  at(0).answers = false;
  await clock.advance(12_000);
  expect(at(0).killedFor).toBe("its event loop did not turn for 8 s");
  expect(lastReport()).toMatchObject({ cause: "stuck", reason: "its event loop did not turn for 8 s", sessions: 1 });
});

test.each([
  [
    "never finishes loading",
    () => clock.advance(10_000),
    "the service module file:///srv/secret/desk.js did not finish loading within 10 s",
  ],
  [
    "throws",
    () => at(0).loading.reject(new DuowireError("service_failed", "cannot find '/srv/secret/prices.js'")),
    "cannot find '/srv/secret/prices.js'",
  ],
  [
    "has no service",
    () => at(0).loading.reject(new Error("file:///srv/secret/desk.js has no default export")),
    "file:///srv/secret/desk.js has no default export",
  ],
  [
    "exits while it is loaded",
    () => at(0).end({ code: 3 }),
    "the service module file:///srv/secret/desk.js failed while it was loaded: it exited by itself with code 3",
  ],
])("CarrierPool refuses an access when the module %s, and tells only the server why", async (_what, happen, reason) => {
  const message = "the service's module could not be loaded";
  const pool = makePool({ warmMin: 0, warmMax: 0 });
  const taking = pool.take();
  taking.catch(() => undefined);
  await happen();
  await clock.settle();
  await expect(taking).rejects.toMatchObject({ code: "service_failed", message });
  expect(lastReport()).toMatchObject({ cause: "start_failed", reason, sessions: 0 });
  // Whoever comes right after is told the same at once, and starts nothing.
  await expect(pool.take()).rejects.toMatchObject({ code: "service_failed", message });
  expect(carriers.length).toBe(1);
  await clock.advance(100);
  pool.take().catch(() => undefined);
  expect(carriers.length).toBe(2);
});

test.each([
  [{ signal: "SIGABRT" }, "out_of_memory", "it ran out of memory (Node aborted with SIGABRT), its limit is 64 MiB"],
  [{ signal: "SIGXCPU" }, "cpu_time", "it used its 5 s of processor time"],
  [{ signal: "SIGSEGV" }, "signal", "it was killed by SIGSEGV"],
  [{ signal: "SIGKILL" }, "signal", "it was killed by SIGKILL: by hand, or by the system for want of memory"],
  [{ code: 0 }, "exit", "it exited by itself with code 0"],
  [
    { code: 1, error: new TypeError("/srv/secret/x is undefined\n    at desk.js:3") },
    "uncaught_exception",
    "an error was not caught: TypeError: /srv/secret/x is undefined",
  ],
  [
    { code: 1, error: Object.assign(new Error("…"), { code: "ERR_WORKER_OUT_OF_MEMORY" }) },
    "out_of_memory",
    "it ran out of memory, its limit is 64 MiB",
  ],
])("CarrierPool tells crashes apart: %j", async (end, cause, reason) => {
  const pool = makePool();
  await load(0);
  await pool.take();
  await clock.advance(1_000);
  at(0).end(end);
  await clock.settle();
  expect(lastReport()).toMatchObject({ cause, reason, sessions: 1, livedMs: 1_000 });
});

test("CarrierPool shares a pool, replaces one that died, and ends it when the last session is over", async () => {
  const pool = makePool({ pool: 2 });
  await load(0, 1);
  const taken = await Promise.all(Array.from({ length: 6 }, () => pool.take()));
  expect(taken.filter((one) => one === at(0)).length).toBe(3);
  at(1).end({ code: 7 });
  await clock.settle();
  expect([lastReport().sessions, pool.counts.ready]).toEqual([3, 1]);
  await clock.advance(100);
  await load(2);
  expect(await pool.take()).toBe(at(2));
  const closed = pool.close();
  await expect(pool.take()).rejects.toMatchObject({ code: "going_away" });
  for (const one of [at(0), at(0), at(0), at(2)]) pool.release(one);
  await closed;
  await clock.advance(600_000);
  expect([carriers.length, pool.counts]).toEqual([3, { starting: 0, ready: 0, idle: 0, stopping: 0, waiting: 0 }]);
});

test("CarrierPool that is closed holds no timer", async () => {
  const pool = makePool({ warmMin: 2 });
  await load(0, 1);
  await clock.advance(10_000);
  await pool.close();
  expect((clock as unknown as { timers: Set<unknown> }).timers.size).toBe(0);
});
