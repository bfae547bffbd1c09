import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type AdminDoorOptions, openAdminDoor } from "../../src/server/index.js";
import { access, startServer } from "./support.js";

const TOKEN = "t".repeat(32);

async function open(options: AdminDoorOptions) {
  const started = await startServer();
  const door = await openAdminDoor(started.server, options);
  onTestFinished(() => door.close());
  return { ...started, door };
}

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "duowire-door-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "door.sock");
}

async function ask(options: RequestOptions) {
  const sent = request({ agent: false, ...options });
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let body = "";
  for await (const piece of answer) body += piece;
  return { status: answer.statusCode, headers: answer.headers, json: body === "" ? undefined : JSON.parse(body) };
}

test("openAdminDoor lists sessions and ends them over a socket that only its user can open", async () => {
  const path = socketPath();
  const { url, server, door } = await open({ socketPath: path });
  expect(door.address).toBe(`unix:${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const { id } = await access(url);
  const { json, headers } = await ask({ socketPath: path, path: "/sessions" });
  expect(json).toMatchObject({
    address: server.address.href,
    sessions: [{ id, service: "default", principal: null, state: "waiting", link: null, remoteAddress: "127.0.0.1" }],
  });
  expect(json.sessions[0].ageMs).toBeGreaterThanOrEqual(0);
  expect(JSON.stringify(json)).not.toMatch(/key/);
  expect(headers["cache-control"]).toBe("no-store");
  expect((await ask({ socketPath: path, method: "DELETE", path: `/sessions/${id}` })).status).toBe(204);
  expect(server.sessions.get(id)).toBeUndefined();
  expect((await ask({ socketPath: path, method: "DELETE", path: `/sessions/${id}` })).status).toBe(404);
  await door.close();
  expect(existsSync(path)).toBe(false);
});

test("openAdminDoor at a port wants its token, in the header and nowhere else", async () => {
  const { door, url } = await open({ port: 0, token: TOKEN });
  const { hostname, port } = new URL(door.address);
  expect(hostname).toBe("127.0.0.1");
  const at = { host: hostname, port, path: "/sessions" };
  const { id } = await access(url);
  for (const authorization of [undefined, "", "Bearer", `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN]) {
    const headers = authorization === undefined ? {} : { authorization };
    const refused = await ask({ ...at, headers });
    expect([refused.status, refused.headers["www-authenticate"]]).toEqual([401, "Bearer"]);
    expect((await ask({ ...at, method: "DELETE", path: `/sessions/${id}`, headers })).status).toBe(401);
  }
  expect((await ask({ ...at, path: `/sessions?token=${TOKEN}` })).status).toBe(401);
  expect((await ask({ ...at, headers: { authorization: `Bearer ${TOKEN}` } })).json.sessions.length).toBe(1);
  await expect(openAdminDoor({} as never, { port: 0, token: "short" })).rejects.toThrow(/32 characters/);
});

test.each([
  ["POST", "/sessions", 405, "GET"],
  ["GET", "/sessions/WAO1", 405, "DELETE"],
  ["GET", "/", 404, undefined],
  ["DELETE", "/sessions/../x", 404, undefined],
  ["DELETE", "/sessions/WAO1", 404, undefined],
])("openAdminDoor answers %s %s with %i", async (method, path, status, allow) => {
  const socket = socketPath();
  await open({ socketPath: socket });
  const answer = await ask({ socketPath: socket, method, path });
  expect([answer.status, answer.headers.allow]).toEqual([status, allow]);
});

test("openAdminDoor replaces a socket that nobody listens at, and no other", async () => {
  const path = socketPath();
  const other = createServer();
  await once(other.listen(path), "listening");
  const { server } = await startServer();
  await expect(openAdminDoor(server, { socketPath: path })).rejects.toMatchObject({ code: "bad_address" });
  // A process that is killed leaves its socket behind; a closed one of Node's does not, so it is put there again.
  const { execFileSync } = await import("node:child_process");
  other.close();
  await once(other, "close");
  const leave = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  expect(() => execFileSync(process.execPath, ["-e", leave], { stdio: "ignore" })).toThrow();
  expect(existsSync(path)).toBe(true);
  const door = await openAdminDoor(server, { socketPath: path });
  onTestFinished(() => door.close());
  expect((await ask({ socketPath: path, path: "/sessions" })).status).toBe(200);
});

test("openAdminDoor leaves a file alone that is no socket", async () => {
  const path = socketPath();
  writeFileSync(path, "precious");
  const { server } = await startServer();
  await expect(openAdminDoor(server, { socketPath: path })).rejects.toMatchObject({
    code: "bad_address",
    message: expect.stringContaining("no socket"),
  });
  expect(readFileSync(path, "utf8")).toBe("precious");
});
