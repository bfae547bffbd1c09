import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { DuowireError } from "../../src/base/errors.js";
import { encodeFrame } from "../../src/frame/frame.js";
import { ManualClock } from "./manual-clock.js";
import { access, accessFrame, attachFrame, head, send, sendRaw, startServer } from "./support.js";

test("first access without a body is notified of an identification only", async () => {
  const { url, host, server } = await startServer({ ids: "sequential" });
  const { answer } = await access(url);
  expect(answer.status).toBe(201);
  expect(answer.headers.location).toBe("WAO1");
  expect(answer.headers["cache-control"]).toBe("no-store");
  expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  expect(answer.json).toMatchObject({ id: "WAO1", leaseMs: 120_000, links: ["websocket"] });
  expect(Object.keys(answer.json)).toEqual(["id", "key", "leaseMs", "links", "admission", "limits"]);
  expect(Buffer.from(answer.json.key as string, "base64url")).toHaveLength(32);
  expect(JSON.stringify(answer.headers) + answer.body).not.toContain("127.0.0.1");
  expect(server.sessions.get("WAO1")?.state).toBe("waiting");
  expect(host.processes[0]?.access.localAddress).toBe(`127.0.0.1:${server.address.port}/WAO1`);
});

test("first access takes its local address from the socket, not from Host", async () => {
  const { url, host, port } = await startServer({ address: "http://0.0.0.0:0/WAO", ids: "sequential" });
  await send("POST", `http://127.0.0.1:${port}/WAO?tenant=3`, { headers: { host: "elsewhere.example:1" } });
  expect(host.processes[0]?.access).toMatchObject({
    localAddress: `127.0.0.1:${port}/WAO1`,
    remoteAddress: "127.0.0.1",
    query: "?tenant=3",
    service: "default",
  });
  expect(url).toBe(`http://0.0.0.0:${port}/WAO`);
});

test("first access by the IP address alone is an access", async () => {
  const { port } = await startServer({ ids: "sequential" });
  const answer = await send("POST", `http://127.0.0.1:${port}/`);
  expect([answer.status, answer.headers.location]).toEqual([201, "WAO1"]);
  expect((await send("POST", `http://127.0.0.1:${port}/?a=1`)).headers.location).toBe("WAO2");
});

test("first access with frames is welcomed and its early calls are delivered", async () => {
  const { url, host } = await startServer({ firstAnswerHoldMs: 5_000 });
  host.before = () => undefined;
  const batch = encodeFrame({ type: "batch", sequence: 1, clockMs: 0, messages: new Uint8Array([9, 9]) });
  const answering = send("POST", url, { body: Buffer.concat([accessFrame(), batch]) });
  await expect.poll(() => host.processes[0]?.received.length).toBe(1);
  const process = host.processes[0];
  process?.links[0]?.send(encodeFrame({ type: "ack", sequence: 1 }));
  process?.links[0]?.close("settled");
  const answer = await answering;
  expect(answer.status).toBe(201);
  expect(answer.headers).toMatchObject({
    "content-type": "application/octet-stream",
    "x-accel-buffering": "no",
    location: process?.access.id,
  });
  expect(answer.frames.map((frame) => frame.type)).toEqual(["welcome", "ack"]);
  expect(answer.frames[0]).toMatchObject({ id: process?.access.id, key: process?.access.key });
});

test("first answer flushes head and welcome at once, and ends after firstAnswerHoldMs", async () => {
  const clock = new ManualClock();
  const { port, host } = await startServer({ clock });
  const frame = accessFrame();
  const socket = connect(port, "127.0.0.1");
  socket.write(head("POST /WAO HTTP/1.1", { "Content-Length": String(frame.length) }));
  socket.write(frame);
  const [first] = await once(socket, "data");
  expect(first.toString("latin1")).toContain("201 Created");
  expect(first.toString("latin1")).toContain("admission");
  expect(host.processes[0]?.links).toHaveLength(1);
  const rest: string[] = [];
  socket.on("data", (data) => rest.push(data.toString("latin1")));
  clock.advance(99);
  host.processes[0]?.links[0]?.send(encodeFrame({ type: "ack", sequence: 1 }));
  clock.advance(1);
  await once(socket, "close");
  expect(rest.join("").endsWith("0\r\n\r\n")).toBe(true);
  await expect.poll(() => host.processes[0]?.links.length).toBe(0);
});

test("first answer to a client on a long way stays open for a round trip, and what follows the first results is paced", async () => {
  const clock = new ManualClock();
  const { port, host } = await startServer({ clock });
  const frame = accessFrame({ roundTripMs: 450 });
  const socket = connect(port, "127.0.0.1");
  socket.write(head("POST /WAO HTTP/1.1", { "Content-Length": String(frame.length) }));
  socket.write(frame);
  await once(socket, "data");
  let pieces = 0;
  socket.on("data", () => pieces++);
  const link = host.processes[0]?.links[0];
  const say = (sequence: number) => link?.send(encodeFrame({ type: "ack", sequence }));
  say(1);
  await expect.poll(() => pieces).toBe(1);
  say(2);
  say(3);
  expect(link?.queuedBytes).toBeGreaterThan(0);
  clock.advance(50);
  await expect.poll(() => pieces).toBe(2);
  clock.advance(399);
  say(4);
  say(5);
  expect(socket.readyState).toBe("open");
  // What waits still leaves.
  clock.advance(1);
  await once(socket, "close");
  expect(pieces).toBeGreaterThan(2);
});

test("first access that is repeated is the same access in both forms", async () => {
  const { url, host, server } = await startServer();
  const nonce = new Uint8Array(16).fill(5);
  const asHex = Buffer.from(nonce).toString("hex");
  const asText = Buffer.from(nonce).toString("base64url");
  const first = await access(url, JSON.stringify({ nonce: asHex }));
  const again = await access(url, JSON.stringify({ nonce: asText, triedMsAgo: 10 }));
  const framed = await send("POST", url, { body: accessFrame({ nonce, triedMsAgo: 20 }) });
  expect([again.id, again.key, framed.headers.location]).toEqual([first.id, first.key, first.id]);
  expect([server.sessions.size, host.processes.length, host.processes[0]?.accesses]).toEqual([1, 1, 1]);
});

test("first access that is repeated while its process is made: the newest waits, the one before comes again", async () => {
  const { url, host, server } = await startServer();
  const refused: string[] = [];
  server.addEventListener("refused", ({ detail }) => refused.push(detail.error.code));
  let proceed = () => {};
  host.before = () => new Promise<void>((resolve) => (proceed = resolve));
  const nonce = new Uint8Array(16).fill(7);
  const first = send("POST", url, { body: accessFrame({ nonce }) });
  await expect.poll(() => proceed.name).not.toBe("proceed");
  const second = send("POST", url, { body: accessFrame({ nonce, triedMsAgo: 400 }) });
  const told = await first;
  expect([told.status, told.headers["retry-after"]]).toEqual([503, "1"]);
  expect(told.frames[0]).toMatchObject({ type: "refused", code: "server_busy", retryAfterMs: 1_000 });
  proceed();
  const { status, headers } = await second;
  expect([status, headers.location]).toEqual([201, host.processes[0]?.access.id]);
  // It is the same access, so nothing was refused to anybody, and nobody waits any more.
  const third = await send("POST", url, { body: accessFrame({ nonce, triedMsAgo: 900 }) });
  expect(third.headers.location).toBe(headers.location);
  expect([host.processes.length, refused]).toEqual([1, []]);
});

test("first access repeated after its session ended is told so, and never runs again", async () => {
  const { url, server, host } = await startServer();
  const body = JSON.stringify({ nonce: "1".repeat(32) });
  const { id } = await access(url, body);
  server.sessions.end(id);
  await host.processes[0]?.ended;
  const again = await send("POST", url, { body });
  expect([again.status, again.json.code]).toEqual([410, "session_ended"]);
  expect(host.processes).toHaveLength(1);
});

test("first access from before the server's start is unknown", async () => {
  const clock = new ManualClock();
  const { url } = await startServer({ clock });
  clock.advance(1_000);
  const old = JSON.stringify({ nonce: "2".repeat(32), triedMsAgo: 1_500 });
  const answer = await send("POST", url, { body: old });
  expect([answer.status, answer.json.code]).toEqual([409, "access_unknown"]);
  const fresh = JSON.stringify({ nonce: "2".repeat(32), triedMsAgo: 500 });
  expect((await send("POST", url, { body: fresh })).status).toBe(201);
});

test("first access asks for a service by name when there are several", async () => {
  const { host } = await startServer();
  const { url } = await startServer({ services: { desk: host, files: host } });
  const ask = async (service?: string) => {
    const answer = await send("POST", url, { body: JSON.stringify({ service }) });
    return answer.status === 201 ? host.processes.at(-1)?.access.service : answer.json.code;
  };
  expect(await ask("desk")).toBe("desk");
  expect(await ask("files")).toBe("files");
  for (const name of [undefined, "", "Desk", "__proto__", "constructor"])
    expect(await ask(name)).toBe("unknown_service");
  const framed = await send("POST", url, { body: accessFrame({ service: "none" }) });
  expect(framed.status).toBe(404);
  expect(framed.headers["content-type"]).toBe("application/octet-stream");
  expect(framed.frames[0]).toMatchObject({ type: "refused", code: "unknown_service" });
});

test("first access is limited in all and per source", async () => {
  const clock = new ManualClock();
  const { url, server } = await startServer({ clock, limits: { sessionsMax: 3, waitingPerSourceMax: 2 } });
  await access(url);
  await access(url);
  const many = await send("POST", url);
  expect([many.status, many.json.code, many.headers["retry-after"]]).toEqual([429, "too_many_requests", "1"]);
  for (const session of server.sessions) expect(session.state).toBe("waiting");
  expect(server.sessions.size).toBe(2);
});

test("first access at sessionsMax is refused server_busy with Retry-After", async () => {
  const { url } = await startServer({ limits: { sessionsMax: 1 } });
  await access(url);
  const busy = await send("POST", url);
  expect([busy.status, busy.json.code, busy.headers["retry-after"]]).toEqual([503, "server_busy", "5"]);
  expect(busy.json.retryAfterMs).toBe(5_000);
});

test("first access is limited per source, attached to or not", async () => {
  const { url, host } = await startServer({ limits: { sessionsPerSourceMax: 1 } });
  const { address, keyOctets } = await access(url);
  await send("POST", address, { body: attachFrame(keyOctets) });
  expect(host.processes[0]?.state).toBe("open");
  const many = await send("POST", url);
  expect([many.status, many.json.code, many.headers["retry-after"]]).toEqual([429, "too_many_requests", "5"]);
  host.processes[0]?.end(new DuowireError("closed"));
  await expect.poll(async () => (await send("POST", url)).status).toBe(201);
});

test("first access is limited per principal, also while processes are being made", async () => {
  const authorize = ({ headers }: { headers: Record<string, unknown> }) => String(headers["x-user"]);
  const { url, host } = await startServer({ limits: { sessionsPerPrincipalMax: 2 }, authorize });
  const as = (user: string) => send("POST", url, { headers: { "x-user": user } });
  const answers = await Promise.all([as("ann"), as("ann"), as("ann"), as("bob")]);
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 429]);
  expect(answers.find(({ status }) => status === 429)?.headers["retry-after"]).toBe("5");
  host.processes.find(({ access: { principal } }) => principal === "ann")?.end(new DuowireError("closed"));
  await expect.poll(async () => (await as("ann")).status).toBe(201);
  // A process that could not be made is no session of anybody.
  host.before = () => {
    throw new DuowireError("service_failed");
  };
  for (let tried = 0; tried < 3; tried += 1) expect((await as("eve")).status).toBe(500);
  host.before = () => undefined;
  expect((await as("eve")).status).toBe(201);
});

test("first access is refused with the time to wait when a source comes too fast, or the server starts too many", async () => {
  const clock = new ManualClock();
  const slow = await startServer({ clock, limits: { accessesPerSourcePerSecondMax: 1 } });
  for (let made = 0; made < 2; made += 1) expect((await access(slow.url)).answer.status).toBe(201);
  const fast = await send("POST", slow.url);
  expect([fast.status, fast.json.code, fast.json.retryAfterMs]).toEqual([429, "too_many_requests", 1_000]);
  clock.advance(1_000);
  expect((await access(slow.url)).answer.status).toBe(201);
  const starting = await startServer({ clock, limits: { startsPerSecondMax: 4 } });
  for (let made = 0; made < 4; made += 1) expect((await access(starting.url)).answer.status).toBe(201);
  const busy = await send("POST", starting.url);
  expect([busy.status, busy.json.code, busy.json.retryAfterMs]).toEqual([503, "server_busy", 250]);
  expect(busy.headers["retry-after"]).toBe("1");
});

test("first access that is never attached to ends after attachDeadlineMs, and makes room", async () => {
  const clock = new ManualClock();
  const { url, server, host } = await startServer({ clock, limits: { waitingPerSourceMax: 1 } });
  await access(url);
  clock.advance(14_999);
  expect((await send("POST", url)).status).toBe(429);
  clock.advance(1);
  const reason = await host.processes[0]?.ended;
  expect(reason?.code).toBe("attach_timeout");
  expect(server.sessions.size).toBe(0);
  expect((await access(url)).answer.status).toBe(201);
});

test("first access whose client repeats it, or comes with a token, is waited for", async () => {
  const clock = new ManualClock();
  const { url, server, port } = await startServer({ clock });
  const body = JSON.stringify({ nonce: "3".repeat(32) });
  const { id, admission } = await access(url, body);
  const stays = async (sign: () => Promise<unknown>) => {
    clock.advance(14_000);
    await sign();
    expect(server.sessions.get(id)?.state).toBe("waiting");
  };
  await stays(() => access(url, body));
  const protocols = ["duowire.1", `duowire.admission.${admission}`];
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${id}`, protocols);
  await stays(() => once(socket, "open"));
  socket.close();
  await once(socket, "close");
  await stays(async () => undefined);
  clock.advance(1_000);
  await expect.poll(() => server.sessions.size).toBe(0);
});

test("authorize names the principal, or refuses before a process is made", async () => {
  const { url, host, server, errors } = await startServer({
    authorize: ({ headers, query }) => {
      if (query === "?crash") throw new TypeError("a bug of the application");
      if (headers["x-user"] === undefined) return new DuowireError("access_denied", "log in first");
      return String(headers["x-user"]);
    },
  });
  const denied = await send("POST", url);
  expect([denied.status, denied.json]).toEqual([403, { code: "access_denied", message: "log in first" }]);
  expect(host.processes).toHaveLength(0);
  await send("POST", url, { headers: { "x-user": "ada" } });
  expect(server.sessions.find("ada").map(({ id }) => id)).toEqual([host.processes[0]?.access.id]);
  const crashed = await send("POST", `${url}?crash`);
  expect([crashed.status, crashed.json.code]).toEqual([500, "service_failed"]);
  expect(crashed.body.toString()).not.toContain("bug");
  expect(errors).toHaveLength(1);
});

test("a process that could not be made refuses the access, which may be tried again", async () => {
  const { url, host, server } = await startServer();
  host.before = () => {
    throw new DuowireError("service_failed", "no database");
  };
  const body = JSON.stringify({ nonce: "3".repeat(32) });
  const failed = await send("POST", url, { body });
  expect([failed.status, failed.json.message]).toEqual([500, "no database"]);
  expect(server.sessions.size).toBe(0);
  host.before = () => undefined;
  expect((await send("POST", url, { body })).status).toBe(201);
});

test.each([
  ["neither JSON nor frames", "hello"],
  ["a JSON number", "7"],
  ["JSON null", "null"],
  ["a nonce that is too short", '{"nonce":"abc"}'],
  ["a nonce that is a list", '{"nonce":[1]}'],
  ["a service that is no text", '{"service":{}}'],
  ["a negative time", '{"triedMsAgo":-1}'],
  ["a frame that is cut off", Buffer.from([1, 0, 0, 9, 0])],
  ["a frame with malformed fields", Buffer.from([1, 0, 0, 1, 0x80])],
  ["an ATTACH", Buffer.from([2, 0, 0, 1, 0x80])],
])("first access with %s is a bad request", async (_name, body) => {
  const { url, server } = await startServer();
  const answer = await send("POST", url, { body });
  expect(answer.status).toBe(400);
  expect(server.sessions.size).toBe(0);
});

test("first access of another version is refused as such", async () => {
  const { url } = await startServer();
  const answer = await send("POST", url, { body: accessFrame({ version: 2 }) });
  expect([answer.status, answer.frames[0]]).toMatchObject([400, { code: "version_unsupported" }]);
});

test("first access with a body above accessBytesMax is refused while it comes, and the refusal arrives", async () => {
  const { url, port } = await startServer({ limits: { accessBytesMax: 1_000 } });
  expect((await send("POST", url, { body: "{}".padEnd(1_000) })).status).toBe(201);
  const stated = await send("POST", url, { body: "x".repeat(1_001) });
  expect([stated.status, stated.json.code, stated.headers.connection]).toEqual([413, "body_too_large", "close"]);
  const chunk = `400\r\n${"x".repeat(1_024)}\r\n`;
  const answer = await sendRaw(
    port,
    head("POST /WAO HTTP/1.1", { "Transfer-Encoding": "chunked" }) + chunk.repeat(100),
  );
  expect(answer).toContain("413 Payload Too Large");
});

test("first access whose body does not come is refused after bodyTimeoutMs", async () => {
  const clock = new ManualClock();
  const { port } = await startServer({ clock });
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (data) => {
    answer += data;
  });
  socket.write(`${head("POST /WAO HTTP/1.1", { "Content-Length": "10" })}12345`);
  await expect.poll(() => clock.waiting).toBe(1);
  clock.advance(10_000);
  await expect.poll(() => answer).toContain("400 Bad Request");
  clock.advance(1_000);
  await once(socket, "close");
});

test("first access that breaks off leaves nothing behind", async () => {
  const { port, server, refusals, errors } = await startServer();
  for (let cut = 1; cut < 60; cut += 7) {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.end(`${head("POST /WAO HTTP/1.1", { "Content-Length": "40" })}{"nonce":`.slice(0, cut + 40));
    socket.resume();
    await once(socket, "close");
  }
  expect([server.sessions.size, errors, refusals]).toEqual([0, [], []]);
});

test("fixed address says what it is to a person who looks at it", async () => {
  const { url } = await startServer();
  const page = await send("GET", url);
  expect([page.status, page.headers.allow]).toEqual([405, "POST, OPTIONS"]);
  expect(page.body.toString()).toContain("connection address");
  const json = await send("GET", url, { headers: { accept: "application/json" } });
  expect(json.json.code).toBe("method_not_allowed");
  const only = await send("HEAD", url);
  expect([only.status, only.body.length]).toEqual([405, 0]);
});

test("authorize that does not settle keeps nobody waiting for ever", async () => {
  const clock = new ManualClock();
  const authorize = () => new Promise<undefined>(() => {});
  const { url, errors, server } = await startServer({ clock, authorize } as never);
  const asked = send("POST", url);
  await expect.poll(() => clock.waiting).toBeGreaterThan(0);
  await expect
    .poll(() => {
      clock.advance(10_000);
      return errors.length;
    })
    .toBe(1);
  expect((await asked).json.code).toBe("service_failed");
  expect(String(errors[0])).toMatch(/authorize\(\) did not settle within 10000 ms/);
  expect(server.sessions.size).toBe(0);
});
