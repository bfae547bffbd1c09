import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { CarrierEndCause } from "../../src/access/carrier-report.js";
import type { DuowireError } from "../../src/base/errors.js";
import { connect } from "../../src/client/index.js";
import type { CarriedOptions } from "../../src/host/carried.js";
import { childProcess, type ProcessHost, type ServerEvents, serve, workerThread } from "../../src/server/index.js";
import { startChild } from "../support/child.js";
import { childrenOf, running } from "../support/processes.js";
import type Unruly from "./services/unruly.js";

const unruly = new URL("./services/unruly.ts", import.meta.url);
const hosts = { thread: workerThread, process: childProcess };
const kinds = ["thread", "process"] as const;
type Kind = (typeof kinds)[number];
const NO_PROC = "the state of processes is read from /proc";
/** Nothing ahead: a test starts what it needs. */
const cold = { warmMin: 0, warmMax: 0 };

async function start(service: ProcessHost) {
  const server = await serve<Unruly>({ address: "http://127.0.0.1:0/WAO", service });
  onTestFinished(() => server.close());
  const ends: ServerEvents["carrier_ended"][] = [];
  server.addEventListener("carrier_ended", ({ detail }) => ends.push(detail));
  server.addEventListener("service_error", () => undefined);
  const open = () => {
    const session = connect<Unruly>(server.address.href);
    onTestFinished(() => session.close());
    return session;
  };
  return { server, ends, open };
}

const startUnruly = (kind: Kind, options: CarriedOptions = {}) => start(hosts[kind](unruly, { ...cold, ...options }));

test.each(kinds)("an endless loop in a %s does not delay the calls of another session, and is ended", async (kind) => {
  const { open, ends } = await startUnruly(kind, { stuckMs: 2_000 });
  const [bad, good] = [open(), open()];
  await Promise.all([bad.remote.echo(1), good.remote.echo(1)]);
  const looping = bad.remote.loop();
  const times: number[] = [];
  for (const endAtMs = performance.now() + 1_500; performance.now() < endAtMs; ) {
    const calledMs = performance.now();
    await good.remote.echo(2);
    times.push(performance.now() - calledMs);
  }
  times.sort((a, b) => a - b);
  expect(times.length).toBeGreaterThan(30);
  expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(50);
  await expect(looping).rejects.toMatchObject({ code: "outcome_unknown" });
  const reason = "its event loop did not turn for 2 s";
  expect(await bad.closed).toMatchObject({ code: "process_crashed", message: expect.stringContaining(reason) });
  await expect.poll(() => ends).toMatchObject([{ kind, cause: "stuck", reason, sessions: 1, service: "default" }]);
  expect(await good.remote.echo(3)).toBe(3);
});

test("a thread that a system call holds is ended for its session and its server, though it cannot be stopped", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "duowire-pipe-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const pipe = join(folder, "pipe");
  if (spawnSync("mkfifo", [pipe]).status !== 0) context.skip("this system makes no named pipes");
  const { server, open, ends } = await startUnruly("thread", { stuckMs: 1_000 });
  const session = open();
  await session.remote.echo(1);
  const held = session.remote.block(pipe);
  held.catch(() => undefined);
  // Opens as soon as the thread waits there; until it is closed, the thread reads.
  let writer: number | undefined;
  await expect.poll(() => (writer = tryOpen(pipe)), { interval: 5 }).toBeDefined();
  onTestFinished(() => closeSync(writer as number));
  expect((await session.closed).message).toContain("its event loop did not turn for 1 s");
  await expect(held).rejects.toMatchObject({ code: "outcome_unknown" });
  await expect.poll(() => ends).toMatchObject([{ cause: "stuck", sessions: 1 }]);
  await server.close();
});

/** A named pipe for writing; undefined while nobody reads it. */
function tryOpen(pipe: string): number | undefined {
  try {
    return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

type Crash = readonly [
  what: string,
  only: Kind | "both",
  (session: ReturnType<typeof connect<Unruly>>) => unknown,
  CarrierEndCause,
  reason: string,
  told?: string,
];

const crashes: readonly Crash[] = [
  ["exits", "both", ({ remote }) => remote.exit(3), "exit", "it exited by itself with code 3"],
  [
    "throws where nobody catches",
    "both",
    ({ remote }) => remote.throwLater(),
    "uncaught_exception",
    "an error was not caught: TypeError: the price of /srv/desk/prices.js is not a number",
    "an error was not caught",
  ],
  [
    "rejects where nobody catches",
    "both",
    ({ remote }) => remote.rejectLater(),
    "uncaught_exception",
    "an error was not caught: RangeError: too late",
    "an error was not caught",
  ],
  [
    "fills a thread's memory",
    "thread",
    ({ remote }) => remote.fill(),
    "out_of_memory",
    "it ran out of memory, its limit is 48 MiB",
    "it ran out of memory",
  ],
  [
    "fills a process's memory",
    "process",
    ({ remote }) => remote.fill(),
    "out_of_memory",
    "it ran out of memory (Node aborted with SIGABRT), its limit is 48 MiB",
    "it ran out of memory",
  ],
  ["aborts", "process", ({ remote }) => remote.abort(), "exit", "it called process.abort()"],
  ["is killed", "process", ({ remote }) => remote.die("SIGUSR2"), "signal", "it was killed by SIGUSR2"],
];

const cases = crashes.flatMap(([what, only, ...rest]) =>
  kinds.filter((kind) => only === "both" || only === kind).map((kind) => [kind, what, rest] as const),
);

test.each(cases)("a %s that %s ends its session, and says why", async (kind, _what, rest) => {
  const [crash, cause, reason, told = reason] = rest;
  const { open, ends } = await startUnruly(kind, { limits: { memoryMiB: 48 } });
  const [bad, good] = [open(), open()];
  await Promise.all([bad.remote.echo(1), good.remote.echo(1)]);
  void crash(bad);
  const closed = await bad.closed;
  expect(closed.code).toBe("process_crashed");
  expect(closed.message).toBe(`the communication process has ended unexpectedly: ${told}`);
  await expect.poll(() => ends).toMatchObject([{ kind, cause, reason, sessions: 1 }]);
  expect(await good.remote.echo(3)).toBe(3);
});

test("a process is ended when it has used its processor time", async (context) => {
  if (platform() === "win32") context.skip("this system does not limit processor time");
  const { open, ends } = await startUnruly("process", { limits: { cpuSeconds: 3 } });
  const session = open();
  await session.remote.echo(1);
  void session.remote.loop();
  expect((await session.closed).message).toContain("it used up its processor time");
  expect(ends).toMatchObject([{ cause: "cpu_time" }]);
});

test("what a service started ends with its process, however that ends", async (context) => {
  if (platform() !== "linux") context.skip(NO_PROC);
  const { open } = await startUnruly("process");
  const [leaving, crashing] = [open(), open()];
  const pids = [...(await leaving.remote.family()), ...(await crashing.remote.family())];
  expect(running(pids)).toEqual(pids);
  await leaving.close();
  void crashing.remote.exit(1);
  await expect.poll(() => running(pids), { timeout: 5_000 }).toEqual([]);
});

const broken: readonly (readonly [file: string, message: string])[] = [
  ["throws", "throws.mjs cannot be used: prices are not open yet"],
  ["empty", "has no class as its default export"],
  ["hangs", "hangs.mjs did not finish loading within 1.5 s"],
  ["loops", "loops.mjs did not finish loading within 1.5 s"],
  ["exits", "exits.mjs"],
  ["absent", "absent.mjs"],
];

test.each(kinds.flatMap((kind) => broken.map(([file, message]) => [kind, file, message] as const)))(
  "an access to a service in a %s whose module is broken (%s) is refused, and only the server is told why",
  async (kind, file, message) => {
    const module = new URL(`./services/broken/${file}.mjs`, import.meta.url);
    const deadline = message.includes("1.5 s") ? { startMs: 1_500 } : {};
    const { open, ends } = await start(hosts[kind](module, { ...cold, ...deadline }));
    const refusal = (await open().closed) as DuowireError;
    expect(refusal).toMatchObject({ code: "service_failed", message: "the service's module could not be loaded" });
    const reason = expect.stringContaining(message);
    await expect.poll(() => ends).toMatchObject([{ kind, cause: "start_failed", sessions: 0, reason }]);
  },
);

test("a flood of accesses is refused with 503 and Retry-After beyond the queue, and starts no more than it may", async () => {
  const { server, open, ends } = await startUnruly("thread", { carriersMax: 3, startsMax: 1 });
  const sessions = Array.from({ length: 3 }, open);
  await Promise.all(sessions.map(({ remote }) => remote.echo(1)));
  const response = await fetch(server.address.href, { method: "POST", headers: { accept: "application/json" } });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(await response.json()).toMatchObject({
    code: "server_busy",
    message: "all 3 carriers of the service are in use",
  });
  await sessions[0]?.close();
  await expect.poll(() => ends.length).toBe(1);
  const session = open();
  expect(await session.remote.echo(4)).toBe(4);
});

test.each(kinds)("a crash in a shared pool (%s) ends the sessions of one carrier, which is replaced", async (kind) => {
  const { open, ends } = await startUnruly(kind, { pool: 2 });
  const places = new Map<string, ReturnType<typeof open>[]>();
  // The first carrier that has started takes all until the second has.
  while (places.size < 2 || [...places.values()].some(({ length }) => length < 2)) {
    const session = open();
    const place = await session.remote.where();
    places.set(place, [...(places.get(place) ?? []), session]);
  }
  expect(places.size).toBe(2);
  const [crashing = [], others = []] = places.values();
  void crashing[0]?.remote.exit(9);
  const closed = await Promise.all(crashing.map((session) => session.closed));
  expect(new Set(closed.map(({ code }) => code))).toEqual(new Set(["process_crashed"]));
  await expect.poll(() => ends).toMatchObject([{ cause: "exit", sessions: crashing.length }]);
  expect(await Promise.all(others.map(({ remote }) => remote.echo(5)))).toEqual(others.map(() => 5));
  // The replacement has no session, so it gets the next ones.
  await expect.poll(async () => places.has(await open().remote.where()), { timeout: 5_000 }).toBe(false);
});

test("no process is left 2 s after a server was killed by kill -9, whatever it did", async (context) => {
  if (platform() !== "linux") context.skip(NO_PROC);
  const server = startChild("hosts");
  const { href, pid } = await server.ask<{ href: string; pid: number }>("start");
  const open = () => {
    const session = connect<Unruly>(href);
    onTestFinished(() => session.close());
    return session;
  };
  const [looping, stopped, idle] = [open(), open(), open()];
  const [first = 0] = await looping.remote.family();
  const [second = 0] = await stopped.remote.family();
  await idle.remote.echo(1);
  void looping.remote.loop();
  process.kill(second, "SIGSTOP");
  // Their replacements start or wait, warm; one more is in the middle of its access.
  open();
  await expect.poll(() => childrenOf(pid).length).toBeGreaterThan(5);
  const pids = childrenOf(pid);
  onTestFinished(() => {
    for (const one of running(pids)) process.kill(one, "SIGKILL");
  });
  expect(pids).toEqual(expect.arrayContaining([first, second]));
  await server.kill();
  await expect.poll(() => running(pids), { timeout: 2_000, interval: 20 }).toEqual([]);
});

test("a server that is closed leaves no process and no zombie", async (context) => {
  if (platform() !== "linux") context.skip(NO_PROC);
  const server = startChild("hosts");
  const { href, pid } = await server.ask<{ href: string; pid: number }>("start");
  const session = connect<Unruly>(href);
  onTestFinished(() => session.close());
  await session.remote.echo(1);
  expect(childrenOf(pid).length).toBeGreaterThan(2);
  await server.ask("close");
  await expect.poll(() => childrenOf(pid)).toEqual([]);
  expect((await session.closed).code).toBe("server_closed");
});

test("a system that has no room for another process refuses the access, and says so", async () => {
  const { open, ends } = await start(childProcess(unruly, { ...cold, env: { HUGE: "x".repeat(10_000_000) } }));
  const refusal = await open().closed;
  expect(refusal).toMatchObject({ code: "service_failed", message: "the service's module could not be loaded" });
  const reason = expect.stringMatching(/unruly\.ts .*it could not be started \(spawn E2BIG\)/);
  expect(ends).toMatchObject([{ cause: "start_failed", number: 0, reason }]);
});

test("a thread starts in a server with flags of V8, which Node refuses to be told again", async () => {
  process.execArgv.push("--max-old-space-size=4000");
  onTestFinished(() => void process.execArgv.pop());
  const { open } = await startUnruly("thread");
  expect(await open().remote.echo(1)).toBe(1);
});

test("a server that was stopped for longer than stuckMs blames no process for it", async (context) => {
  if (platform() === "win32") context.skip("this system cannot stop a process");
  const server = startChild("hosts");
  const { href, pid } = await server.ask<{ href: string; pid: number }>("start", 1_000);
  const session = connect<Unruly>(href);
  onTestFinished(() => session.close());
  const place = await session.remote.where();
  for (let round = 0; round < 2; round++) {
    process.kill(pid, "SIGSTOP");
    const stoppedMs = performance.now();
    await expect.poll(() => performance.now() - stoppedMs, { timeout: 5_000, interval: 100 }).toBeGreaterThan(2_000);
    process.kill(pid, "SIGCONT");
    expect(await session.remote.where()).toBe(place);
  }
  expect(await server.ask("crashes")).toEqual([]);
});
