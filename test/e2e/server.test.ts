import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { connect } from "../../src/client/index.js";
import { decodeFrames, type Frame } from "../../src/frame/frame.js";
import { Service } from "../../src/index.js";
import { attach, serve } from "../../src/server/index.js";
import { access, attachFrame, bearer, send, visible } from "../server/support.js";

interface BoardClient {
  show(text: string): string;
}

class Board extends Service<BoardClient> {
  hello(): string {
    return "board";
  }

  whoAmI() {
    const { id, principal, state, link } = this.session;
    return { id, principal, state, link };
  }

  wait(): Promise<void> {
    return new Promise(() => {});
  }

  override fetch(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    return new Response(`<p>${request.method} ${pathname}${search}</p>`, { headers: { "content-type": "text/html" } });
  }
}

class Files extends Service {
  hello(): string {
    return "files";
  }
}

async function start(options: { authorize?: () => string } = {}) {
  const server = await serve<Board>({ address: "http://127.0.0.1:0/WAO", service: Board, ...options });
  onTestFinished(() => server.close());
  return server;
}

function open(href: string, name: string) {
  const session = connect<Board>(href, { expose: { show: (text) => `${name} shows ${text}` } });
  onTestFinished(() => session.close());
  return session;
}

test("server.sessions reaches each client from outside of its service", async () => {
  const server = await start({ authorize: () => "ann" });
  const sessions = ["one", "two", "three"].map((name) => open(server.address.href, name));
  await Promise.all(sessions.map((session) => session.opened));
  const shown = sessions.map(({ address }) => server.sessions.get(address.id)?.client.show("news"));
  expect(await Promise.all(shown)).toEqual(["one shows news", "two shows news", "three shows news"]);
  expect(server.sessions.size).toBe(3);
  for (const listed of server.sessions) expect(await listed.client.show("x")).toContain("shows x");
  const [first] = server.sessions;
  expect(first?.principal).toBe("ann");
  expect(server.sessions.get("WAO.n1.unknown")).toBeUndefined();
  first?.end("you were ended");
  expect(await sessions[0]?.closed).toMatchObject({ code: "closed", message: "you were ended" });
  await expect.poll(() => server.sessions.size).toBe(2);
});

test("several services live at one address, each with types of its own", async () => {
  const services = { board: Board, files: Files };
  const server = await serve({ address: "http://127.0.0.1:0/WAO", services });
  onTestFinished(() => server.close());
  await using board = connect<Board>(server.address.href, { service: "board", expose: { show: (text) => text } });
  await using files = connect<Files>(server.address.href, { service: "files" });
  expect([await board.remote.hello(), await files.remote.hello()]).toEqual(["board", "files"]);
  expect([...server.sessions].map((session) => session.service)).toEqual(["board", "files"]);
  const unnamed = connect(server.address.href);
  expect((await unnamed.closed).code).toBe("unknown_service");
});

test("a service sees its session: id, principal, state and link", async () => {
  const server = await start({ authorize: () => "ann" });
  const session = open(server.address.href, "one");
  await expect.poll(() => session.link?.kind).toBe("websocket");
  const { id } = session.address;
  expect(await session.remote.whoAmI()).toEqual({ id, principal: "ann", state: "open", link: "websocket" });
  expect(id).toMatch(/^WAO\.n1\.[\w-]{22}$/);
});

test("server.close() ends every session with server_closed and frees the port", async () => {
  const server = await start();
  const session = open(server.address.href, "one");
  await expect.poll(() => session.link?.kind).toBe("websocket");
  const call = session.remote.wait();
  await session.remote.hello();
  const { href } = server.address;
  await server.close();
  expect(await session.closed).toMatchObject({ code: "server_closed", side: "remote" });
  await expect(call).rejects.toMatchObject({ code: "outcome_unknown", cause: { code: "server_closed" } });
  const again = await serve({ address: href, service: Board });
  await again.close();
});

test("server.close({ drainMs }) refuses the new, lets the old go on, and ends them in time", async () => {
  const server = await start();
  const [brief, long] = [open(server.address.href, "brief"), open(server.address.href, "long")];
  await Promise.all([brief.remote.hello(), long.remote.hello()]);
  // With a call under way, a session is not idle: it may go on until the time to drain is over.
  const waiting = long.remote.wait();
  const startedAt = performance.now();
  const closing = server.close({ drainMs: 500 });
  const late = connect<Board>(server.address.href, { connectTimeoutMs: 300, expose: { show: (text) => text } });
  expect(await late.closed).toMatchObject({ code: "connect_timeout" });
  expect(await long.remote.hello()).toBe("board");
  await brief.close();
  expect((await long.closed).code).toBe("server_closed");
  await expect(waiting).rejects.toMatchObject({ code: "outcome_unknown" });
  await closing;
  expect(performance.now() - startedAt).toBeLessThan(1_500);
});

test("server.close({ drainMs }) is over as soon as the last session is", async () => {
  const server = await start();
  const session = open(server.address.href, "one");
  await session.remote.hello();
  const startedAt = performance.now();
  const closing = server.close({ drainMs: 10_000 });
  await session.close();
  await closing;
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

test("attach() serves on a program's own HTTP server and leaves it running", async () => {
  const httpServer = createServer((_, response) => response.end("the program's own page"));
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  onTestFinished(() => {
    httpServer.close();
    httpServer.closeAllConnections();
  });
  const server = attach<Board>(httpServer, { address: "/WAO", service: Board });
  const session = open(server.address.href, "one");
  expect(await session.remote.hello()).toBe("board");
  const { port } = httpServer.address() as AddressInfo;
  const ownPage = async () => (await send("GET", `http://127.0.0.1:${port}/`)).body.toString();
  expect(await ownPage()).toBe("the program's own page");
  await server.close();
  expect((await session.closed).code).toBe("server_closed");
  expect(await ownPage()).toBe("the program's own page");
});

/** What a WebSocket at `address` with this admission is answered: an HTTP status, or its first frame to an attach. */
async function knock(address: string, admission: string, key: Uint8Array): Promise<number | Frame | string> {
  const href = address.replace("http", "ws");
  const socket = new WebSocket(href, ["duowire.1", `duowire.admission.${admission}`]);
  onTestFinished(() => socket.terminate());
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
    socket.on("open", () => socket.send(attachFrame(key)));
    socket.on("message", (octets: Buffer) => decodeFrames(new Uint8Array(octets), resolve));
    socket.on("close", (_code, reason) => resolve(`closed: ${reason}`));
  });
}

test("another session's key, a wrong key and none open nothing, and look like an address that is unknown", async () => {
  const server = await start();
  const own = await access(server.address.href);
  const other = await access(server.address.href);
  const unknown = `${server.address.href}.n1.AAAAAAAAAAAAAAAAAAAAAA`;
  const wrong = new Uint8Array(32).fill(1);
  const reference = visible(await send("POST", unknown, { body: attachFrame(wrong) }));
  expect(reference).toContain("session_unknown");
  for (const key of [other.keyOctets, wrong]) {
    expect(visible(await send("POST", own.address, { body: attachFrame(key) }))).toBe(reference);
    expect(await knock(own.address, own.admission, key)).toMatchObject({ type: "refused", code: "session_unknown" });
    expect(await knock(own.address, other.admission, key)).toBe(404);
  }
  const refused: string[] = [];
  for (const headers of [{}, bearer(other.key), bearer(wrong)]) {
    for (const path of ["", "/door"]) {
      const answer = await send(path === "" ? "DELETE" : "POST", own.address + path, { headers });
      refused.push(visible(answer));
      expect(answer.status).toBe(404);
    }
  }
  expect(new Set(refused).size).toBe(1);
  expect(await knock(own.address, own.admission, own.keyOctets)).toMatchObject({ type: "welcome" });
  expect(server.sessions.size).toBe(2);
});

test("hypertext is answered at the session's address to the door's cookie, and to nobody else", async () => {
  const server = await start();
  const own = await access(server.address.href);
  const other = await access(server.address.href);
  const page = (headers: Record<string, string>, path = "/report?month=10") =>
    send("GET", own.address + path, { headers });
  expect((await page({})).status).toBe(404);
  expect((await page(bearer(own.key))).status).toBe(404);
  const cookieOf = async ({ address, key }: typeof own) => {
    const door = await send("POST", `${address}/door`, { headers: bearer(key) });
    return door.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  };
  const [cookie, foreign] = [await cookieOf(own), await cookieOf(other)];
  const answer = await page({ cookie });
  expect([answer.status, answer.body.toString()]).toEqual([200, `<p>GET /${own.id}/report?month=10</p>`]);
  expect(answer.headers["content-security-policy"]).toContain("sandbox");
  expect((await page({ cookie: foreign })).status).toBe(404);
  const renamed = foreign.replace(other.id, own.id);
  expect((await page({ cookie: renamed })).status).toBe(404);
  await send("DELETE", own.address, { headers: bearer(own.key) });
  expect((await page({ cookie })).status).toBe(410);
});
