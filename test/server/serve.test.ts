import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server as HttpServer, type RequestListener } from "node:http";
import { createServer as createSecureServer, request as secureRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { sequentialIds } from "../../src/access/address-generation.js";
import { attachWith, serveWith } from "../../src/server/serve.js";
import type { ServerOptions } from "../../src/server/settings.js";
import { FakeHost } from "./fake-host.js";
import { access, accessFrame, attachFrame, fakeParts, head, send, sendRaw, startServer } from "./support.js";

const service = new FakeHost();
const serve = (options: Partial<ServerOptions>) =>
  serveWith(fakeParts, { address: "http://127.0.0.1:0/WAO", service, ...options });

async function listening(listener?: RequestListener): Promise<{ httpServer: HttpServer; port: number }> {
  const httpServer = createServer(listener);
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  onTestFinished(() => {
    httpServer.closeAllConnections();
    httpServer.close();
  });
  return { httpServer, port: (httpServer.address() as AddressInfo).port };
}

test("serve says what to do when the port is busy", async () => {
  const { server } = await startServer();
  const { port } = server.address;
  await expect(serve({ address: `http://127.0.0.1:${port}/WAO` })).rejects.toMatchObject({
    code: "bad_address",
    message: `cannot listen at 127.0.0.1 port ${port} (EADDRINUSE): another program listens there already; end it, or choose another port`,
  });
});

test("serve says what to do when the address is not of this machine", async () => {
  await expect(serve({ address: "http://192.0.2.1:0/WAO" })).rejects.toThrow(
    /EADDRNOTAVAIL.*no such address.*0\.0\.0\.0/,
  );
});

test.each<[string, Partial<ServerOptions>, RegExp]>([
  ["https", { address: "https://127.0.0.1:0/WAO" }, /attach\(httpsServer/],
  ["a query", { address: "http://127.0.0.1:0/WAO?a" }, /query/],
  ["no address", { address: "127.0.0.1" }, /http:\/\/host:9000\/WAO/],
  ["no service", { service: undefined as never }, /service or services/],
  ["both kinds of service", { services: {} }, /service or services/],
  ["a service that is none", { service: {} as never }, /neither a class nor a host/],
  ["a short secret", { secret: "secret" }, /openssl rand/],
  ["an origin with a path", { origins: ["https://a.example/"] }, /https:\/\/app\.example\.com/],
  ["a bad node name", { node: "n.1" }, /node name/],
  ["ids of another system", { ids: sequentialIds("OTHER") }, /OTHER/],
  ["a limit of zero", { limits: { sessionsMax: 0 } }, /limits\.sessionsMax/],
  ["a lease that is no number", { leaseMs: Number.NaN }, /leaseMs/],
])("serve refuses %s and says why", async (_name, options, message) => {
  await expect(serve(options)).rejects.toThrow(message);
});

test("serve takes the system ID WAO when the address names none", async () => {
  const { server } = await startServer({ address: "http://127.0.0.1:0", ids: "sequential" });
  expect(server.address.href).toMatch(/:\d+\/WAO$/);
  expect((await access(server.address.href)).id).toBe("WAO1");
});

test("serve takes a path prefix, another system ID and IPv6", async () => {
  const { server, url, port } = await startServer({ address: "http://[::1]:0/apps/duo/Chat", ids: "sequential" });
  expect(url).toBe(`http://[::1]:${port}/apps/duo/Chat`);
  const one = await access(url);
  expect([one.id, one.address]).toEqual(["Chat1", `http://[::1]:${port}/apps/duo/Chat1`]);
  expect((await send("POST", `http://[::1]:${port}/apps/duo/`)).status).toBe(201);
  expect((await send("POST", `http://[::1]:${port}/`)).status).toBe(404);
  expect(server.sessions.get("Chat1")?.localAddress).toBe(`[::1]:${port}/Chat1`);
});

test("close ends every session with server_closed and every connection", async () => {
  const { server, url, host, port } = await startServer({ firstAnswerHoldMs: 60_000 });
  const { address, admission, keyOctets } = await access(url);
  const socket = new WebSocket(address.replace("http", "ws"), ["duowire.1", `duowire.admission.${admission}`]);
  await once(socket, "open");
  socket.send(attachFrame(keyOctets));
  await once(socket, "message");
  const held = send("POST", url, { body: accessFrame() });
  await expect.poll(() => host.processes.length).toBe(2);
  const [first] = await Promise.all([once(socket, "close"), server.close(), held]);
  expect(first).toBeDefined();
  for (const process of host.processes) expect((await process.ended).code).toBe("server_closed");
  await expect(send("GET", `http://127.0.0.1:${port}/WAO`)).rejects.toThrow("ECONNREFUSED");
  await server.close();
});

test("close settles within a second although a process never ends", async () => {
  const { server, url, host } = await startServer();
  await access(url);
  const [process] = host.processes;
  if (process) process.end = () => undefined;
  const began = performance.now();
  await server.close();
  expect(performance.now() - began).toBeLessThan(2_000);
});

test("close with drainMs refuses new accesses and lets sessions finish", async () => {
  const { server, url, host } = await startServer();
  const { id } = await access(url);
  const closed = server.close({ drainMs: 60_000 });
  const refused = await send("POST", url);
  expect([refused.status, refused.json.code, refused.headers["retry-after"]]).toEqual([503, "going_away", "5"]);
  expect(server.sessions.get(id)).toBeDefined();
  server.sessions.end(id, "done");
  await closed;
  expect(await host.processes[0]?.ended).toMatchObject({ code: "closed", message: "done" });
});

test("server tells of sessions by events", async () => {
  const { server, url } = await startServer();
  const told: unknown[] = [];
  server.addEventListener("session", ({ detail }) => told.push(detail.session));
  server.addEventListener("session_ended", ({ detail }) => told.push(detail.session, detail.reason.code));
  const { id } = await access(url);
  const session = server.sessions.get(id);
  session?.end();
  await session?.ended;
  await expect.poll(() => told).toEqual([session, session, "closed"]);
  expect([...server.sessions]).toEqual([]);
});

test("attach leaves requests of others alone, whenever their listeners were added", async () => {
  const { httpServer, port } = await listening((request, response) => response.end(`app ${request.url}`));
  const server = attachWith(fakeParts, httpServer, { address: "/WAO", service, ids: "sequential" });
  const others: string[] = [];
  httpServer.on("request", (request) => others.push(request.url ?? ""));
  const base = `http://127.0.0.1:${port}`;
  expect(server.address.href).toBe(`${base}/WAO`);
  for (const path of ["/", "/x", "/WAOx", "/WAO/x", "/other/WAO1", "//WAO1"]) {
    expect((await send("GET", base + path)).body.toString()).toBe(`app ${path}`);
  }
  expect((await access(server.address.href)).id).toBe("WAO1");
  expect((await send("GET", `${base}/WAO99`)).status).toBe(404);
  expect(others).toEqual(["/", "/x", "/WAOx", "/WAO/x", "/other/WAO1", "//WAO1"]);
  await server.close();
  expect((await send("GET", `${base}/WAO`)).body.toString()).toBe("app /WAO");
});

test("attach comes before a listener that answers everything with 404", async () => {
  const { httpServer, port } = await listening((_request, response) => {
    response.statusCode = 404;
    response.end("Cannot GET");
  });
  const server = attachWith(fakeParts, httpServer, { address: "http://0.0.0.0/WAO", service });
  expect((await access(`http://127.0.0.1:${port}/WAO`)).answer.status).toBe(201);
  expect((await send("GET", `http://127.0.0.1:${port}/WAO.css`)).json.code).toBe("session_unknown");
  expect((await send("GET", `http://127.0.0.1:${port}/x`)).body.toString()).toBe("Cannot GET");
  await server.close();
});

test.each(["before", "after"])(
  "attach leaves the upgrades of another WebSocket server alone that came %s",
  async (when) => {
    const { httpServer, port } = await listening();
    const addOther = () => {
      const other = new WebSocketServer({ server: httpServer });
      other.on("connection", (socket, request) => socket.send(`other ${request.url}`));
    };
    if (when === "before") addOther();
    const server = attachWith(fakeParts, httpServer, { address: "/WAO", service });
    if (when === "after") addOther();
    const theirs = new WebSocket(`ws://127.0.0.1:${port}/hot-reload`);
    expect(String((await once(theirs, "message"))[0])).toBe("other /hot-reload");
    const { address, admission } = await access(server.address.href);
    const ours = new WebSocket(address.replace("http", "ws"), ["duowire.1", `duowire.admission.${admission}`]);
    await once(ours, "open");
    expect(ours.protocol).toBe("duowire.1");
    await server.close();
    theirs.send("still there");
    expect(theirs.readyState).toBe(WebSocket.OPEN);
    theirs.terminate();
    const later = new WebSocket(`ws://127.0.0.1:${port}/WAO`);
    expect(String((await once(later, "message"))[0])).toBe("other /WAO");
    later.terminate();
  },
);

test("attach leaves a request that offers an upgrade nobody takes to the ordinary listeners", async () => {
  const { httpServer, port } = await listening((request, response) => {
    request.resume().on("end", () => response.end(`app ${request.url}`));
  });
  const server = attachWith(fakeParts, httpServer, { address: "/WAO", service });
  const offer = { Connection: "Upgrade, HTTP2-Settings", Upgrade: "h2c", "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA" };
  const answer = await sendRaw(port, head("GET /page HTTP/1.1", offer));
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n.*app \/page/s);
  await server.close();
});

test("attach takes its way out only when nobody is on top of it", async () => {
  const { httpServer, port } = await listening((_request, response) => response.end("app"));
  const first = attachWith(fakeParts, httpServer, { address: "/ONE", service });
  const second = attachWith(fakeParts, httpServer, { address: "/TWO", service });
  await first.close();
  expect((await send("POST", `http://127.0.0.1:${port}/TWO`)).status).toBe(201);
  expect((await send("POST", `http://127.0.0.1:${port}/ONE`)).body.toString()).toBe("app");
  await second.close();
  expect((await send("POST", `http://127.0.0.1:${port}/TWO`)).body.toString()).toBe("app");
  expect(httpServer.listenerCount("upgrade")).toBe(0);
});

test("attach answers Expect: 100-continue", async () => {
  const { httpServer, port } = await listening();
  httpServer.on("checkContinue", (_request, response) => response.end("app"));
  const server = attachWith(fakeParts, httpServer, { address: "/WAO", service });
  const expecting = { Expect: "100-continue", "Content-Length": "2" };
  expect(await sendRaw(port, `${head("POST /WAO HTTP/1.1", expecting)}{}`)).toMatch(/100 Continue.*201 Created/s);
  expect(await sendRaw(port, `${head("POST /x HTTP/1.1", expecting)}{}`)).toMatch(/200 OK.*app/s);
  await server.close();
});

test("attach serves over TLS that ends in Node", async (context) => {
  if (spawnSync("openssl", ["version"]).error) return context.skip("openssl is missing");
  const arguments_ = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  const made = spawnSync("openssl", [...arguments_, "-keyout", "-", "-out", "-"], { encoding: "utf8" }).stdout;
  const httpServer = createSecureServer({ key: made, cert: made });
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  const server = attachWith(fakeParts, httpServer, { address: "/WAO", service });
  onTestFinished(() => {
    httpServer.closeAllConnections();
    httpServer.close();
  });
  expect(server.address.href).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/WAO$/);
  const post = (origin: string) => {
    const headers = { origin: origin + server.address.authority };
    const sent = secureRequest(server.address.href, {
      method: "POST",
      headers,
      rejectUnauthorized: false,
      agent: false,
    });
    return once(sent.end(), "response").then(([{ statusCode }]) => statusCode);
  };
  // The scheme is known here, so a page over http is another origin.
  expect([await post("https://"), await post("http://")]).toEqual([201, 403]);
  await server.close();
});
