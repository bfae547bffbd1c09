import { beforeEach, expect, test } from "vitest";
import type { Access, CommunicationProcess } from "../../src/access/communication-process.js";
import { ProcessList } from "../../src/access/process-generation.js";
import { DuowireError } from "../../src/base/errors.js";
import { FakeProcess } from "../server/fake-host.js";

let now = 0;
let told: string[] = [];
let list: ProcessList;

beforeEach(() => {
  now = 1_000;
  told = [];
  list = new ProcessList({
    now: () => now,
    attachDeadlineMs: 15_000,
    noncesKeptMs: 120_000,
    noncesMax: 3,
    generated: ({ access }) => told.push(`+${access.id}`),
    ended: ({ access }, { code }) => told.push(`-${access.id} ${code}`),
  });
});

function fake(id: string): FakeProcess {
  return new FakeProcess({ id } as Access, {} as never);
}

async function generate(id: string, nonce?: string, source = "a"): Promise<FakeProcess> {
  const process = fake(id);
  await list.generate({ id, source, nonce }, async () => process).ready;
  return process;
}

test("ProcessList lists a process from its access to its end", async () => {
  const process = await generate("WAO1");
  await generate("WAO2");
  expect([list.size, [...list].map(({ access }) => access.id)]).toEqual([2, ["WAO1", "WAO2"]]);
  expect(list.get("WAO1")?.process).toBe(process);
  for (const id of ["WAO3", "__proto__", "constructor"]) expect(list.get(id)).toBeUndefined();
  expect([list.end("WAO1", new DuowireError("closed")), list.end("WAO9", new DuowireError("closed"))]).toEqual([
    true,
    false,
  ]);
  await process.ended;
  await Promise.resolve();
  expect([list.size, told]).toEqual([1, ["+WAO1", "+WAO2", "-WAO1 closed"]]);
});

test("ProcessList shows a process that is being made only as an entry to wait for", async () => {
  let made: (process: CommunicationProcess) => void = () => undefined;
  const generation = list.generate({ id: "WAO1", source: "a", nonce: "n" }, () => new Promise((r) => (made = r)));
  expect([list.size, [...list], list.get("WAO1")?.process, list.known("n")]).toEqual([
    1,
    [],
    undefined,
    { id: "WAO1", live: true },
  ]);
  // Ended before it was made: it ends as soon as it is.
  list.end("WAO1", new DuowireError("server_closed"));
  made(fake("WAO1"));
  expect((await (await generation.ready).ended).code).toBe("server_closed");
});

test("ProcessList forgets a process that could not be made, and its nonce", async () => {
  const order = { id: "WAO1", source: "a", nonce: "n" };
  const { ready } = list.generate(order, () => Promise.reject(new DuowireError("service_failed")));
  await expect(ready).rejects.toMatchObject({ code: "service_failed" });
  expect([list.size, list.waitingFrom("a"), list.known("n"), told]).toEqual([0, 0, undefined, []]);
});

test("ProcessList counts per source who was never attached to", async () => {
  const one = await generate("WAO1");
  await generate("WAO2");
  await generate("WAO3", undefined, "b");
  expect([list.waitingFrom("a"), list.waitingFrom("b"), list.waitingFrom("c")]).toEqual([2, 1, 0]);
  one.state = "interrupted";
  expect(list.waitingFrom("a")).toBe(1);
});

test("ProcessList finds who waited in vain, each at its own deadline", async () => {
  await generate("WAO1");
  now += 5_000;
  const two = await generate("WAO2");
  now += 5_000;
  await generate("WAO3");
  two.state = "open";
  expect(list.nextDeadlineMs).toBe(16_000);
  now = 15_999;
  expect(list.overdue()).toEqual([]);
  now = 16_000;
  expect(list.overdue()).toEqual(["WAO1"]);
  expect(list.nextDeadlineMs).toBe(26_000);
  now = 30_000;
  expect([list.overdue(), list.overdue(), list.nextDeadlineMs]).toEqual([["WAO3"], [], undefined]);
});

test("ProcessList waits for a client that tries to attach, for as long as it tries", async () => {
  await generate("WAO1");
  await generate("WAO2");
  now += 10_000;
  list.heard("WAO1");
  now += 5_000;
  expect(list.overdue()).toEqual(["WAO2"]);
  list.heard("WAO2");
  list.heard("WAO3");
  now += 9_999;
  expect([list.overdue(), list.nextDeadlineMs]).toEqual([[], now + 1]);
  now += 1;
  expect([list.overdue(), list.ageMs("WAO1")]).toEqual([["WAO1"], 25_000]);
});

test("ProcessList remembers nonces for the lease, also those of ended processes", async () => {
  const process = await generate("WAO1", "n");
  process.end(new DuowireError("closed"));
  await process.ended;
  await Promise.resolve();
  expect([list.known("n"), list.known("m"), list.known(undefined)]).toEqual([
    { id: "WAO1", live: false },
    undefined,
    undefined,
  ]);
  expect(list.knownSinceMs).toBe(1_000);
  now += 120_000;
  expect([list.knownSinceMs, list.known("n")]).toEqual([1_000, undefined]);
});

test("ProcessList remembers so many nonces at most, and says since when", async () => {
  for (const nonce of ["a", "b", "c", "d"]) {
    now += 10;
    await generate(`of-${nonce}`, nonce);
  }
  expect([list.known("a"), list.known("b")?.id, list.known("d")?.id]).toEqual([undefined, "of-b", "of-d"]);
  expect(list.knownSinceMs).toBe(1_010);
});

test("ProcessList ends all, also those that are being made", async () => {
  await generate("WAO1");
  let made: (process: CommunicationProcess) => void = () => undefined;
  list.generate({ id: "WAO2", source: "a", nonce: undefined }, () => new Promise((r) => (made = r)));
  list.generate({ id: "WAO3", source: "a", nonce: undefined }, () => Promise.reject(new Error("no")));
  const all = list.endAll(new DuowireError("server_closed"));
  made(fake("WAO2"));
  await all;
  await Promise.resolve();
  expect([list.size, told]).toEqual([0, ["+WAO1", "-WAO1 server_closed", "+WAO2", "-WAO2 server_closed"]]);
});
