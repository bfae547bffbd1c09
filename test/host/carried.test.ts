import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/client/index.js";
import type { CarriedOptions } from "../../src/host/carried.js";
import {
  attach,
  childProcess,
  DuowireError,
  type ProcessHost,
  type ServerEvents,
  type ServerOptions,
  serve,
  workerThread,
} from "../../src/server/index.js";
import type Resident from "../contract/services/resident.js";
import type Doomed from "./modules/doomed.js";

/** Every call settles within so long when its process dies (G2). */
const SETTLE_MS = 5_000;

const doomed = new URL("./modules/doomed.ts", import.meta.url);
const none = new URL("./modules/none.ts", import.meta.url);
const throwing = new URL("./modules/throwing.ts", import.meta.url);

async function start(services: ServerOptions["services"] & object) {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", services, leaseMs: 10_000 });
  onTestFinished(() => server.close());
  const ends: ServerEvents["session_ended"][] = [];
  const errors: ServerEvents["service_error"][] = [];
  const carriers: ServerEvents["carrier_ended"][] = [];
  server.addEventListener("carrier_ended", ({ detail }) => carriers.push(detail));
  server.addEventListener("session_ended", ({ detail }) => ends.push(detail));
  server.addEventListener("service_error", ({ detail }) => errors.push(detail));
  const open = <S extends object = Doomed>(service: string, options = {}) => {
    const session = connect<S>(server.address.href, { service, ...options } as never);
    onTestFinished(() => session.close());
    return session;
  };
  return { server, ends, errors, carriers, open };
}

const kinds: [string, (module: URL, options?: CarriedOptions) => ProcessHost, RegExp][] = [
  ["workerThread", workerThread, /exited by itself with code 7/],
  ["childProcess", childProcess, /exited by itself with code 7/],
];

test("several services of one server run in several places, .js modules and classes among them", async () => {
  const plain = new URL("../contract/services/plain.js", import.meta.url);
  const { default: Here } = await import("../contract/services/resident.js");
  const { open } = await start({ here: Here, thread: workerThread(plain), process: childProcess(plain) });
  const answers = ["here", "thread", "process"].map((name) => open<Resident>(name).remote.echo(name));
  expect(await Promise.all(answers)).toEqual(["here", "thread", "process"]);
});

test.each(kinds)("%s: what dies ends its sessions with process_crashed, on both sides", async (_name, host, reason) => {
  const { server, open, ends } = await start({ doomed: host(doomed) });
  const session = open("doomed");
  await session.opened;
  const id = session.address.id;
  const seen = server.sessions.get(id);
  const waiting = session.remote.wait();
  const asked = seen?.client as unknown as { confirm(question: string): Promise<boolean> };
  expect(await session.remote.echo(1)).toBe(1);
  const begun = performance.now();
  session.remote.exit(7).catch(() => {});
  const outcome = await waiting.then(undefined, (error: unknown) => error);
  expect(performance.now() - begun).toBeLessThan(SETTLE_MS);
  expect(outcome).toMatchObject({
    code: "outcome_unknown",
    outcome: "outcome_unknown",
    cause: { code: "process_crashed" },
  });
  const closed = await session.closed;
  expect([closed.code, closed.side]).toEqual(["process_crashed", "remote"]);
  expect(closed.message).toMatch(reason);
  await expect(session.remote.echo(2)).rejects.toMatchObject({ outcome: "not_sent" });
  await expect(asked.confirm("there?")).rejects.toMatchObject({ outcome: "not_sent" });
  await expect
    .poll(() => ends.map(({ reason }) => [reason.code, reason.message]))
    .toEqual([["process_crashed", closed.message]]);
  expect(server.sessions.size).toBe(0);
  // The next access has a new one.
  expect(await open("doomed").remote.echo("again")).toBe("again");
});

test.each(kinds)("%s: what a service says to the server by itself ends its carrier at most", async (_name, host) => {
  const { open, carriers } = await start({ doomed: host(doomed, { pool: 1 }) });
  const session = open("doomed");
  for (const foreign of [null, "online", 7, {}, { type: "progress", id: "WAO.1" }]) {
    await session.remote.say(foreign);
  }
  expect(await session.remote.echo(1)).toBe(1);
  session.remote.say({ type: "pong" }).catch(() => {});
  expect(await session.closed).toMatchObject({ code: "process_crashed" });
  const error = expect.any(TypeError);
  await expect.poll(() => carriers).toMatchObject([{ cause: "bad_message", sessions: 1, error }]);
  expect(await open("doomed").remote.echo(2)).toBe(2);
});

test.each(["websocket", "http-exchange"] as const)("a crash is told over %s, too", async (link) => {
  const { open } = await start({ doomed: childProcess(doomed) });
  const session = open("doomed", { links: [link] });
  await expect.poll(() => session.link?.kind, { timeout: 10_000 }).toBe(link);
  const pid = await session.remote.pid();
  const begun = performance.now();
  const waiting = session.remote.wait();
  process.kill(pid, "SIGKILL");
  await expect(waiting).rejects.toMatchObject({ outcome: "outcome_unknown" });
  expect(performance.now() - begun).toBeLessThan(SETTLE_MS);
  expect(await session.closed).toMatchObject({ code: "process_crashed", message: expect.stringContaining("SIGKILL") });
});

test("a WebSocket over TLS that ends in Node is relayed to its process, whose end is told over it", async (context) => {
  if (spawnSync("openssl", ["version"]).error) context.skip("openssl is missing");
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  const made = spawnSync("openssl", [...request, "-keyout", "-", "-out", "-"], { encoding: "utf8" }).stdout;
  const secure = createServer({ key: made, cert: made });
  await once(secure.listen(0, "127.0.0.1"), "listening");
  const server = attach(secure, { address: "/WAO", service: childProcess(doomed) });
  onTestFinished(async () => {
    await server.close();
    secure.closeAllConnections();
    secure.close();
  });
  // Nobody signed this certificate.
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  onTestFinished(() => void vi.unstubAllEnvs());
  const session = connect<Doomed>(server.address.href, { links: ["websocket"] });
  onTestFinished(() => session.close());
  await expect.poll(() => session.link?.kind, { timeout: 10_000 }).toBe("websocket");
  const octets = new Uint8Array(300_000).map((_, index) => index);
  const numbers = Array.from({ length: 500 }, (_, n) => n);
  const answers = [session.remote.echo(octets), Promise.all(numbers.map((n) => session.remote.echo(n)))];
  expect(await Promise.all(answers)).toEqual([octets, numbers]);
  const pid = await session.remote.pid();
  expect(server.sessions.get(session.address.id)).toMatchObject({ linkKind: "websocket", place: { number: pid } });
  expect(pid).not.toBe(process.pid);
  process.kill(pid, "SIGKILL");
  expect(await session.closed).toMatchObject({ code: "process_crashed", message: expect.stringContaining("SIGKILL") });
});

test("what a thread dies of is told to the server's program with its stack", async () => {
  const { open, errors } = await start({ doomed: workerThread(doomed) });
  const session = open("doomed");
  session.remote.crash().catch(() => {});
  expect((await session.closed).code).toBe("process_crashed");
  await expect.poll(() => errors).toMatchObject([{ method: "uncaught", error: { message: "nobody catches this" } }]);
  expect(String((errors[0]?.error as Error | undefined)?.stack)).toContain("doomed.ts");
});

test.each([
  ["a module that throws", throwing, "no database"],
  ["a module without a service", none, "has no class as its default export"],
  ["a module that is not there", new URL("./modules/missing.ts", import.meta.url), "missing.ts"],
])("%s refuses accesses with service_failed, and the server's program is told why", async (_name, module, why) => {
  const { open, carriers } = await start({ thread: workerThread(module), process: childProcess(module) });
  for (const name of ["thread", "process"]) expect((await open(name).closed).code).toBe("service_failed");
  await expect.poll(() => new Set(carriers.map(({ kind }) => kind)).size).toBe(2);
  expect(carriers).toMatchObject(carriers.map(() => ({ cause: "start_failed", reason: expect.stringContaining(why) })));
});

test("a TypeScript module far from any tsx says which command installs it", async (context) => {
  if ("typescript" in process.features) context.skip("this Node runs TypeScript by itself");
  const folder = mkdtempSync(join(tmpdir(), "duowire-module-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "desk.ts"), "export default class Desk {}");
  const { open, carriers } = await start({ thread: workerThread(pathToFileURL(join(folder, "desk.ts"))) });
  expect((await open("thread").closed).code).toBe("service_failed");
  expect(carriers[0]?.reason).toContain("npm install tsx");
});

test.each(["./desk.js", "https://example.com/desk.js"])("workerThread refuses the module %j at once", (module) => {
  expect(() => workerThread(module)).toThrow(DuowireError);
  expect(() => workerThread(module)).toThrow(/new URL\("\.\/desk\.js", import\.meta\.url\)/);
});

test.each([1.5, -1])("childProcess refuses a pool of %j", (pool) => {
  expect(() => childProcess(doomed, { pool })).toThrow(/pool is/);
});

test("close() of the server leaves neither a process nor a thread behind", async () => {
  const server = await serve({
    address: "http://127.0.0.1:0/WAO",
    services: { one: childProcess(doomed, { pool: 1 }) },
  });
  const session = connect<Doomed>(server.address.href);
  const pid = await session.remote.pid();
  expect(() => process.kill(pid, 0)).not.toThrow();
  await server.close();
  expect((await session.closed).code).toBe("server_closed");
  await expect.poll(() => isAlive(pid), { timeout: 3_000 }).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
