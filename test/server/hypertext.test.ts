import { once } from "node:events";
import { get } from "node:http";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { ManualClock } from "./manual-clock.js";
import { access, bearer, send, startServer } from "./support.js";

/** A session whose door is open: its cookie as a browser would send it. */
async function openSession(options: Parameters<typeof startServer>[0] = {}) {
  const started = await startServer(options);
  const session = await access(started.url);
  const door = await send("POST", `${session.address}/door`, { headers: bearer(session.key) });
  const [setCookie = ""] = door.headers["set-cookie"] ?? [];
  const [cookie = ""] = setCookie.split(";");
  const process = started.host.processes[0];
  if (process === undefined) throw new Error("no process");
  return { ...started, ...session, door, setCookie, headers: { cookie }, process };
}

test("the door sets a cookie that is not the key, has no Path and ends with the lease", async () => {
  const { door, setCookie, id, key, address } = await openSession();
  expect([door.status, door.body.length]).toEqual([204, 0]);
  expect(setCookie).toMatch(new RegExp(`^duowire-door-${id}=[A-Za-z0-9_-]{22}; HttpOnly; SameSite=Lax; Max-Age=120$`));
  expect(setCookie).not.toContain(key.slice(0, 20));
  const byJson = await send("POST", `${address}/door`, { body: JSON.stringify({ key }) });
  const byOctets = await send("POST", `${address}/door`, { body: Buffer.from(key, "base64url") });
  for (const other of [byJson, byOctets]) expect(other.headers["set-cookie"]).toEqual([setCookie]);
});

test("the door's cookie is Secure behind TLS that a trusted proxy ends", async () => {
  const { address, key } = await openSession({ trustProxy: true });
  const headers = { ...bearer(key), "x-forwarded-proto": "https" };
  const door = await send("POST", `${address}/door`, { headers });
  expect(door.headers["set-cookie"]?.[0]).toContain("; Secure");
});

test("hypertext is served to who has the cookie, with careful default headers", async () => {
  const { address, headers, process } = await openSession();
  process.onFetch = async (request) => new Response(`${request.method} ${request.url} ${await request.text()}`);
  const page = await send("POST", `${address}/a%20b/c?d=1`, { headers, body: "hello" });
  expect([page.status, page.body.toString()]).toEqual([200, `POST ${address}/a%20b/c?d=1 hello`]);
  expect(page.headers).toMatchObject({
    "content-security-policy": "sandbox allow-scripts allow-forms",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "private, no-store",
  });
});

test("hypertext may override the default headers, but not the connection's", async () => {
  const { address, headers, process } = await openSession();
  process.onFetch = () =>
    new Response("x", {
      status: 418,
      headers: [
        ["content-security-policy", "default-src 'self'"],
        ["cache-control", "max-age=60"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["transfer-encoding", "gzip"],
        ["connection", "upgrade"],
      ],
    });
  const page = await send("GET", `${address}/`, { headers });
  expect([page.status, page.body.toString()]).toEqual([418, "x"]);
  expect(page.headers).toMatchObject({
    "content-security-policy": "default-src 'self'",
    "cache-control": "max-age=60",
    "set-cookie": ["a=1", "b=2"],
    connection: "close",
  });
  expect(page.headers["transfer-encoding"]).not.toBe("gzip");
});

test("HEAD has the head of GET and no body", async () => {
  const { address, headers, process } = await openSession();
  process.onFetch = () => new Response("seven77", { headers: { "content-length": "7", "x-own": "1" } });
  const page = await send("HEAD", `${address}/`, { headers });
  expect([page.status, page.headers["content-length"], page.headers["x-own"], page.body.length]).toEqual([
    200,
    "7",
    "1",
    0,
  ]);
});

test("the cookie of one session does not open another", async () => {
  const { url, headers, address, id } = await openSession();
  const other = await access(url);
  const [, token] = headers.cookie.split("=");
  const forged = { cookie: `duowire-door-${other.id}=${token}` };
  for (const request of [headers, forged, { cookie: "=; ;;=" }]) {
    expect((await send("GET", `${other.address}/`, { headers: request })).status).toBe(404);
  }
  const two = { cookie: `x=1; duowire-door-${id}=wrong; ${headers.cookie}; y` };
  expect((await send("GET", `${address}/`, { headers: two })).status).toBe(200);
  expect((await send("GET", address, { headers })).status).toBe(404);
});

test("hypertext of an ended session is gone for who has the cookie, and the cookie is cleared", async () => {
  const { address, headers, server, id } = await openSession();
  server.sessions.end(id);
  await expect.poll(() => server.sessions.size).toBe(0);
  const page = await send("GET", `${address}/`, { headers });
  expect([page.status, page.json.code]).toEqual([410, "session_ended"]);
  expect(page.headers["set-cookie"]?.[0]).toContain(`duowire-door-${id}=; HttpOnly; SameSite=Lax; Max-Age=0`);
  expect((await send("GET", `${address}/`)).status).toBe(404);
});

test("DELETE at the door clears the cookie", async () => {
  const { address } = await openSession();
  const shut = await send("DELETE", `${address}/door`);
  expect([shut.status, shut.headers["set-cookie"]?.[0]]).toMatchObject([204, /=; .*Max-Age=0/]);
});

test("a signed URL lets one method at one path in until it expires", async () => {
  const clock = new ManualClock();
  const { address, process, id, url } = await openSession({ clock });
  process.onFetch = (request) => new Response(request.url);
  const { secrets } = process.grounds;
  const signed = address + secrets.signPath(id, "GET", "/pictures/ä 1.png?size=2", clock.wallMs() + 60_000);
  const page = await send("GET", signed);
  expect([page.status, page.body.toString()]).toEqual([200, `${address}/pictures/%C3%A4%201.png?size=2`]);
  expect((await send("HEAD", signed)).status).toBe(200);
  const other = await access(url);
  for (const wrong of [
    signed.replace("size=2", "size=3"),
    signed.replace("pictures", "secrets"),
    signed.replace(/.$/, (last) => (last === "A" ? "B" : "A")),
    signed.replace(/duowire=1/, "duowire=2"),
    `${signed}&x=1`,
    `${signed}&duowire=`,
    signed.replace(id, other.id),
    `${address}/?duowire=`,
    `${address}/?duowire=99999999999999.x`,
  ]) {
    expect([wrong, (await send("GET", wrong)).status]).toEqual([wrong, 404]);
  }
  expect((await send("POST", signed)).status).toBe(404);
  clock.advance(61_000);
  expect((await send("GET", signed)).status).toBe(404);
});

test("a service that throws is an error of the server, told without its words", async () => {
  const { address, headers, process, errors } = await openSession();
  process.onFetch = () => {
    throw new Error("the password is 1234");
  };
  const page = await send("GET", `${address}/`, { headers });
  expect([page.status, page.json.code]).toEqual([500, "service_failed"]);
  expect(page.body.toString()).not.toContain("1234");
  expect(errors).toHaveLength(1);
  process.onFetch = () => {
    throw new DuowireError("access_denied", "not for you");
  };
  expect((await send("GET", `${address}/`, { headers })).json).toEqual({
    code: "access_denied",
    message: "not for you",
  });
});

test("a body is streamed with back-pressure, and its source is cancelled when the client leaves", async () => {
  const { address, headers, process } = await openSession();
  let produced = 0;
  let cancelled = false;
  let aborted = false;
  process.onFetch = (request) => {
    request.signal.addEventListener("abort", () => {
      aborted = true;
    });
    const source = {
      pull: (controller: ReadableStreamDefaultController<Uint8Array>) => {
        produced += 1;
        controller.enqueue(new Uint8Array(65_536));
      },
      cancel: () => {
        cancelled = true;
      },
    };
    return new Response(new ReadableStream(source, { highWaterMark: 0 }));
  };
  const request = get(`${address}/endless`, { headers, agent: false });
  const [answer] = await once(request, "response");
  answer.pause();
  let before = -1;
  await expect
    .poll(
      () => {
        const stands = before === produced;
        before = produced;
        return stands;
      },
      { interval: 100 },
    )
    .toBe(true);
  expect(produced).toBeLessThan(500);
  request.destroy();
  await expect.poll(() => [cancelled, aborted]).toEqual([true, true]);
});

test("a body that fails half-way breaks the connection, not the server", async () => {
  const { address, headers, process, url } = await openSession();
  process.onFetch = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        pull: (controller) => controller.error(new Error("the disk is gone")),
      }),
    );
  await expect(send("GET", `${address}/`, { headers })).rejects.toThrow();
  expect((await send("GET", url)).status).toBe(405);
});
