import { expect, onTestFinished, test } from "vitest";
import type { DuowireError } from "../../src/base/errors.js";
import { connect } from "../../src/client/index.js";
import { startChild } from "../support/child.js";
import type { Troubled } from "../support/children/server.js";
import { unusedPort } from "../support/faulty-proxy.js";

interface ServerReport {
  readonly sessions: number;
  readonly ended: string[];
  readonly failedCalls: number;
  readonly troubles: string[];
  readonly heapBytes: number;
}

interface ClientReport {
  readonly troubles: string[];
  readonly failures: string[];
  readonly state: string;
}

async function startServer({ port = 0, leaseMs = 120_000 } = {}) {
  const child = startChild("server", [String(port), String(leaseMs)]);
  const href = await child.ask<string>("href");
  return { child, href, report: () => child.ask<ServerReport>("report") };
}

function open(href: string) {
  const session = connect<Troubled>(href);
  onTestFinished(() => session.close());
  return session;
}

/** How each of these calls ended, and when the last one did. */
async function outcomesOf(calls: PromiseLike<unknown>[]) {
  const startedAt = performance.now();
  const settled = await Promise.allSettled(calls);
  const ms = performance.now() - startedAt;
  const codes = settled.map((one) => (one.status === "fulfilled" ? "answered" : (one.reason as DuowireError).outcome));
  return { codes: [...new Set(codes)].sort(), ms, settled };
}

test("a server that is killed in the middle: every call settles within 5 s and says whether it left", async () => {
  const { child, href } = await startServer();
  const session = open(href);
  await session.remote.echo("here");
  const before = Array.from({ length: 50 }, () => session.remote.wait());
  await session.remote.echo("all sent");
  await child.kill();
  await expect.poll(() => session.state).toBe("interrupted");
  const after = Array.from({ length: 50 }, () => session.remote.echo(1));
  const [sent, unsent] = await Promise.all([outcomesOf(before), outcomesOf(after)]);
  expect(sent.codes).toEqual(["outcome_unknown"]);
  // A request to the dead server may have been made with them: then it is the careful answer (D14).
  expect(["not_sent", "outcome_unknown"]).toEqual(expect.arrayContaining(unsent.codes));
  expect(Math.max(sent.ms, unsent.ms)).toBeLessThan(5_000);
  expect((await session.closed).code).toBe("unreachable");
  await expect(session.remote.echo(1)).rejects.toMatchObject({ code: "not_sent" });
});

test("a server that was restarted on the same port does not know the session, and says so quickly", async () => {
  const port = await unusedPort();
  const first = await startServer({ port });
  const session = open(first.href);
  const open_ = session.remote.wait();
  await session.remote.echo("here");
  await first.child.kill();
  await startServer({ port });
  const restartedAt = performance.now();
  const reason = await session.closed;
  expect([reason.code, reason.side]).toEqual(["session_unknown", "remote"]);
  expect(performance.now() - restartedAt).toBeLessThan(1_500);
  await expect(open_).rejects.toMatchObject({ code: "outcome_unknown", cause: { code: "session_unknown" } });
});

/** The 99th percentile of echoes made one after the other for a while. */
async function slowEcho(session: ReturnType<typeof open>, forMs: number): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    const startedAt = performance.now();
    await session.remote.echo(times.length);
    times.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] as number;
}

test("a callback each millisecond to a client that is killed: the server lives, others notice nothing", async () => {
  const { href, report } = await startServer();
  const bystander = open(href);
  await bystander.remote.echo("here");
  const victim = startChild("client", [href]);
  await victim.ask("storm");
  await expect.poll(() => victim.ask<number>("prices")).toBeGreaterThan(50);
  const usual = await slowEcho(bystander, 1_000);
  await victim.kill();
  const during = await slowEcho(bystander, 3_000);
  // A busy machine is slow without any help; what counts is that the dead client makes it no slower.
  expect(during).toBeLessThan(Math.max(50, 2 * usual));
  // It is not the lease that ends the session: nobody awaits the callbacks, and the queue has a limit.
  await expect.poll(async () => (await report()).ended, { timeout: 8_000 }).toEqual(["slow_consumer"]);
  const { troubles, heapBytes, sessions } = await report();
  expect(troubles).toEqual([]);
  expect(heapBytes).toBeLessThan(64 * 1_048_576);
  expect(sessions).toBe(1);
});

test("a flood to a client that takes nothing ends with slow_consumer, in bounded memory", async () => {
  const { href, report } = await startServer();
  const bystander = open(href);
  await bystander.remote.echo("here");
  const before = await report();
  const victim = startChild("client", [href]);
  await victim.ask("flood");
  const during = await slowEcho(bystander, 1_000);
  await expect.poll(async () => (await report()).ended, { timeout: 5_000 }).toEqual(["slow_consumer"]);
  const after = await report();
  expect(after.troubles).toEqual([]);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(32 * 1_048_576);
  expect(during).toBeLessThan(250);
  expect(after.sessions).toBe(1);
  expect(await victim.ask<ClientReport>("report")).toMatchObject({ troubles: [], state: "closed" });
});

test("calls that fail and that nobody looks at harm nobody, on either side", async () => {
  const { child, href, report } = await startServer();
  const client = startChild("client", [href]);
  await client.ask("carelessly");
  await expect.poll(async () => (await report()).failedCalls).toBe(20);
  const reportOf = () => client.ask<ClientReport>("report");
  await expect.poll(async () => new Set((await reportOf()).failures).size).toBeGreaterThan(4);
  await client.ask("carelessly");
  await child.kill();
  await expect.poll(async () => (await reportOf()).state, { timeout: 6_000 }).toBe("closed");
  const { troubles, failures } = await reportOf();
  expect(troubles).toEqual([]);
  expect(failures).toContain("outcome_unknown");
});

test("a service that throws, with nobody listening, is printed once by the server with file and line", async () => {
  const { child, href } = await startServer();
  const session = open(href);
  for (let i = 0; i < 3; i++) await expect(session.remote.fail()).rejects.toThrow("the service is out of order");
  await expect.poll(() => child.printed).toContain("the service is out of order");
  expect(child.printed).toMatch(/fail.*children\/server\.ts:\d+/);
  expect(child.printed.match(/DuowireServiceError/g)).toHaveLength(1);
});

test("a client that is killed with calls open leaves no trouble on the server", async () => {
  const { href, report } = await startServer();
  const client = startChild("client", [href]);
  await client.ask("carelessly");
  await client.kill();
  expect((await report()).troubles).toEqual([]);
});

test.for(["client-first", "server-first"])("a program ends by itself after both were closed, %s", async (order) => {
  const child = startChild("brief", [order]);
  expect(await child.exited, child.printed).toBe(0);
  expect(child.printed).toContain("the sum is 3");
  // A last request may take a second to leave; nothing waits for longer.
  expect(Number(/ended after (\d+) ms/.exec(child.printed)?.[1])).toBeLessThan(1_500);
});
