import { fork } from "node:child_process";
import { once } from "node:events";
import { getPriority, platform } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { type CarrierLimits, checkLimits, limitedCommand, threadLimits } from "../../src/host/carrier-limits.js";

const module = new URL("./greedy.mjs", import.meta.url);

/** Runs greedy.mjs under limits until it ends; its first message says what it runs under. */
async function runGreedy(what: string, limits: CarrierLimits) {
  const { execPath, execArgv } = limitedCommand(limits, []);
  const child = fork(module, [what], { execPath, execArgv, stdio: ["ignore", "ignore", "ignore", "ipc"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = once(child, "message").then(([message]) => message);
  const [code, signal] = await once(child, "exit");
  return { pid: child.pid, said: await said, code, signal };
}

test("limitedCommand starts Node itself with every limit, under one process number", async (context) => {
  if (platform() !== "linux") context.skip("limits are read from /proc");
  const limits = { memoryMiB: 100, cpuSeconds: 30, addressSpaceMiB: 2_048, openFilesMax: 90, niceness: 7 };
  const { pid, said, code } = await runGreedy("nothing", limits);
  expect(code).toBe(0);
  // It comes on top of the niceness that these tests run with themselves.
  const niceness = getPriority() + limits.niceness;
  expect(said).toMatchObject({ pid, niceness, cpu: ["30", "32"], files: ["90", "90"], space: String(2 ** 31) });
  // V8 counts the young generation as well.
  expect(said.heapMiB).toBeGreaterThanOrEqual(100);
  expect(said.heapMiB).toBeLessThan(200);
});

test("limitedCommand ends a process that takes more, in a way that tells why", async (context) => {
  if (platform() !== "linux") context.skip("limits are read from /proc");
  expect(await runGreedy("loop", { cpuSeconds: 1 })).toMatchObject({ code: null, signal: "SIGXCPU" });
  expect(await runGreedy("heap", { memoryMiB: 32 })).toMatchObject({ code: null, signal: "SIGABRT" });
  // What only fails, the service can catch.
  expect(await runGreedy("files", { openFilesMax: 64 })).toMatchObject({ code: 64 });
  expect(await runGreedy("buffers", { addressSpaceMiB: 1_500 })).toMatchObject({ code: 65 });
});

test("limitedCommand needs no shell where no limit does", () => {
  expect(limitedCommand({}, ["--inspect"], "/node")).toEqual({ execPath: "/node", execArgv: ["--inspect"] });
  expect(limitedCommand({ memoryMiB: 64, niceness: 0 }, [], "/node").execPath).toBe("/node");
  expect(threadLimits({ memoryMiB: 64 })).toEqual({ maxOldGenerationSizeMb: 64 });
  expect(threadLimits({})).toEqual({});
});

test.each([
  [{ memoryMiB: 1 }, "process", "linux", "limits.memoryMiB is 1; expected a whole number from 16 to 1048576"],
  [{ cpuSeconds: 1.5 }, "process", "linux", "limits.cpuSeconds is 1.5; expected a whole number from 1 to 1000000000"],
  [{ niceness: -1 }, "process", "linux", "limits.niceness is -1; expected a whole number from 0 to 19"],
  [{ openFilesMax: Number.NaN }, "process", "linux", "limits.openFilesMax is NaN; expected a whole number"],
  [{ cpuSeconds: 5 }, "thread", "linux", "limits.cpuSeconds cannot be kept for a worker thread"],
  [{ cpuSeconds: 5 }, "process", "win32", "limits.cpuSeconds cannot be kept on win32; leave it out there"],
  [{ addressSpaceMiB: 4_096 }, "process", "darwin", "limits.addressSpaceMiB cannot be kept on darwin"],
  [{ memoryMib: 64 }, "process", "linux", "limits.memoryMib is not a limit of a carrier"],
] as const)("checkLimits refuses %j for a %s on %s", (limits, kind, system, message) => {
  expect(() => checkLimits(limits as CarrierLimits, kind, system)).toThrow(message);
});

test("checkLimits takes what can be kept", () => {
  checkLimits({ memoryMiB: 16 }, "thread", "win32");
  checkLimits({ memoryMiB: 64 }, "process", "win32");
  checkLimits({ memoryMiB: 64, cpuSeconds: 1, openFilesMax: 64, niceness: 19 }, "process", "darwin");
});
