import { spawn } from "node:child_process";
import { once } from "node:events";
import { platform } from "node:os";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { WARDEN_SCRIPT } from "../../src/host/warden.js";
import { startChild } from "../support/child.js";
import type { Child } from "../support/child-process.js";
import { childrenOf, processState, running } from "../support/processes.js";

beforeEach((context) => {
  if (platform() !== "linux") context.skip("the state of processes is read from /proc");
});

/** A server with one child of each kind, all on the warden's list. */
async function startFamily(kinds: readonly string[]) {
  const server = startChild("warden");
  const pids: number[] = [];
  for (const kind of kinds) pids.push(...(await server.ask<number[]>("start", kind)));
  onTestFinished(() => {
    for (const pid of running(pids)) process.kill(pid, "SIGKILL");
  });
  expect(running(pids)).toEqual(pids);
  return { server, pids, serverPid: await server.ask<number>("pid") };
}

async function expectAllGone(pids: readonly number[]): Promise<void> {
  // The promise is 2 s (D30).
  await expect.poll(() => running(pids), { timeout: 2_000, interval: 20 }).toEqual([]);
}

const wardenOf = (server: Child) => server.ask<number>("warden");

test("no child outlives a server killed by kill -9: in an endless loop, stopped, deaf, starting, idle, with a child of its own", async () => {
  const { server, pids } = await startFamily(["loop", "idle", "idle", "deaf", "family", "starting"]);
  const wardenPid = await wardenOf(server);
  process.kill(pids[1] as number, "SIGSTOP");
  await expect.poll(() => processState(pids[1] as number)).toBe("T");
  await server.kill();
  await expectAllGone([...pids, wardenPid]);
});

test.each(["exit", "throw"])("no child outlives a server that ends by %s", async (way) => {
  const { server, pids } = await startFamily(["loop", "idle"]);
  const wardenPid = await wardenOf(server);
  server.ask("die", way).catch(() => undefined);
  await server.exited;
  await expectAllGone([...pids, wardenPid]);
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("no child outlives a server that ends by %s", async (signal) => {
  const { server, pids, serverPid } = await startFamily(["loop", "idle"]);
  process.kill(serverPid, signal);
  expect(await server.exited).toBe(signal);
  await expectAllGone(pids);
});

test("Warden is started again when it dies, with the whole list", async () => {
  const { server, pids } = await startFamily(["loop", "idle"]);
  const first = await wardenOf(server);
  process.kill(first, "SIGKILL");
  await expect.poll(() => wardenOf(server)).not.toBe(first);
  await expect.poll(() => wardenOf(server)).toBeTypeOf("number");
  pids.push(...(await server.ask<number[]>("start", "idle")));
  await server.kill();
  await expectAllGone(pids);
});

test("Warden ends with the last child, starts with the next, and leaves no zombie", async () => {
  const { server, pids, serverPid } = await startFamily(["idle", "idle"]);
  const first = await wardenOf(server);
  expect(childrenOf(serverPid).sort()).toEqual([...pids, first].sort());
  await server.ask("endAll");
  expect(await wardenOf(server)).toBeUndefined();
  await expect.poll(() => childrenOf(serverPid)).toEqual([]);
  const next = await server.ask<number[]>("start", "loop");
  expect(await wardenOf(server)).not.toBe(first);
  await server.kill();
  await expectAllGone(next);
});

test("Warden spares a process that has the number of a child and another start time, and one that was released", async () => {
  const strangers = [spawn("sleep", ["1000"]), spawn("sleep", ["1000"]), spawn("sleep", ["1000"])];
  onTestFinished(() => strangers.forEach((one) => void one.kill("SIGKILL")));
  const [reused, released, guarded] = strangers.map(({ pid }) => pid as number) as [number, number, number];
  const shell = spawn("/bin/sh", ["-c", WARDEN_SCRIPT], { stdio: ["pipe", "ignore", "inherit"] });
  // The last line is cut off, as by a server that died while it wrote: its number is not a whole one.
  shell.stdin.end(`+ ${reused} 1\n+ ${released} \n+ ${guarded} \n- ${released}\n+ ${released}`);
  await once(shell, "exit");
  await expect.poll(() => running([reused, released, guarded])).toEqual([reused, released]);
});
