import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { type Server, type ServerEvents, serve } from "../../src/server/index.js";
import { hostCases } from "./host-cases.js";
import type Resident from "./services/resident.js";

/** What is read of an endless page before its reader stops. */
const READ_MIB = 2;
/** What may be under way beyond that: the buffers of sockets, streams and the flow. */
const AHEAD_MIB_MAX = 24;

describe.each(hostCases)("pages of a service: $name", ({ make }) => {
  let server: Server<Resident>;
  let folder: string;
  const errors: ServerEvents["service_error"][] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "duowire-pages-"));
    server = await serve<Resident>({ address: "http://127.0.0.1:0/WAO", service: make() });
    server.addEventListener("service_error", ({ detail }) => errors.push(detail));
  });
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A session whose pages `ask` may read. */
  async function open(at = server) {
    const session = connect<Resident>(at.address.href);
    onTestFinished(() => session.close());
    const log = join(folder, `${(await session.remote.who()).id}.log`);
    await session.remote.logTo(log);
    const door = await fetch(session.address.doorHref, { method: "POST", body: await keyOf(session) });
    const cookie = door.headers.get("set-cookie")?.split(";")[0] ?? "";
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(session.address.href + path, { ...init, headers: { cookie, ...init.headers } });
    return { session, cookie, ask, log: () => readFileSync(log, { encoding: "utf8", flag: "a+" }) };
  }

  test("GET and HEAD answer with the service's headers; what it throws is a 500", async () => {
    const { session, ask } = await open();
    const page = await ask("/page");
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html"]);
    const { id } = await session.remote.who();
    expect(await page.text()).toBe(`<p>GET ${id}</p>`);
    const head = await ask("/page", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    const empty = await ask("/empty");
    expect([empty.status, empty.headers.getSetCookie()]).toEqual([204, ["a=1", "b=2"]]);
    expect((await ask("/throw")).status).toBe(500);
  });

  test.each([
    ["/error", "the status 0"],
    ["/nothing", "no Response"],
    ["/spent", "read already"],
  ])("what cannot be sent (%s) is a 500 of that request alone, and the service's error", async (path, why) => {
    const [{ session, ask }, other] = [await open(), await open()];
    expect((await ask(path)).status).toBe(500);
    const { id } = await session.remote.who();
    const error = { message: expect.stringContaining(why) };
    await expect.poll(() => errors.filter((one) => one.id === id)).toMatchObject([{ method: "fetch", error }]);
    expect(await Promise.all([session.remote.echo(1), other.session.remote.echo(2)])).toEqual([1, 2]);
  });

  test("bodies travel whole, in both directions at once", async () => {
    const { ask } = await open();
    const upper = await ask("/upper", { method: "POST", body: "quietly" });
    expect([upper.status, await upper.text()]).toEqual([201, "QUIETLY"]);
    const octets = new Uint8Array(3_000_000).map((_, index) => index * 7);
    const piped = await ask("/pipe", { method: "POST", body: octets, headers: { "x-asked": "yes" } });
    expect(piped.headers.get("x-asked")).toBe("yes");
    expect(Buffer.from(await piped.arrayBuffer()).equals(octets)).toBe(true);
  });

  test("a range of a file, its head alone, and what has not changed", async () => {
    const { ask } = await open();
    const whole = readFileSync(new URL("./services/resident.ts", import.meta.url));
    const page = await ask("/resident.ts");
    expect(Buffer.from(await page.arrayBuffer()).equals(whole)).toBe(true);
    const range = await ask("/resident.ts", { headers: { range: "bytes=10-29" } });
    expect([range.status, range.headers.get("content-range")]).toEqual([206, `bytes 10-29/${whole.length}`]);
    expect(await range.text()).toBe(whole.subarray(10, 30).toString());
    expect((await ask("/resident.ts", { headers: { range: `bytes=${whole.length}-` } })).status).toBe(416);
    const head = await ask("/resident.ts", { method: "HEAD" });
    expect([head.status, Number(head.headers.get("content-length")), await head.text()]).toEqual([
      200,
      whole.length,
      "",
    ]);
    const etag = page.headers.get("etag") ?? "";
    expect((await ask("/resident.ts", { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await ask("/resident.ts", { method: "DELETE" })).status).toBe(405);
  });

  test("one connection carries requests of different sessions, each to its own", async () => {
    const sessions = [await open(), await open(), await open()];
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const ports = new Set<number | undefined>();
    for (let n = 0; n < 12; n++) {
      const { session, cookie } = sessions[n % sessions.length] as (typeof sessions)[number];
      const sent = httpRequest(`${session.address.href}${n % 2 ? "/upper" : "/page"}`, {
        agent,
        headers: { cookie },
        method: n % 2 ? "POST" : "GET",
      });
      sent.end(n % 2 ? session.address.id : undefined);
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      ports.add(answer.socket.localPort);
      const { id } = session.address;
      expect(Buffer.concat(await answer.toArray()).toString()).toBe(n % 2 ? id.toUpperCase() : `<p>GET ${id}</p>`);
    }
    expect(ports.size).toBe(1);
  });

  test("a request that is under way when the server drains is answered whole", async () => {
    const draining = await serve<Resident>({ address: "http://127.0.0.1:0/WAO", service: make() });
    onTestFinished(() => draining.close());
    const { session, cookie } = await open(draining);
    const sent = httpRequest(`${session.address.href}/pipe`, { method: "POST", headers: { cookie } });
    sent.write("first, ");
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    const closing = draining.close({ drainMs: 20_000 });
    expect((await fetch(draining.address.href, { method: "POST" })).status).toBe(503);
    // An idle session would have ended by now.
    expect(await session.remote.echo("still here")).toBe("still here");
    sent.end("and last");
    expect(Buffer.concat(await answer.toArray()).toString()).toBe("first, and last");
    await closing;
    expect((await session.closed).code).toBe("server_closed");
  });

  test("a body that its sender breaks off is broken off in the service", async () => {
    const { session, cookie, ask, log } = await open();
    const sent = httpRequest(`${session.address.href}/swallow`, { method: "POST", headers: { cookie } });
    sent.on("error", () => undefined);
    sent.write(new Uint8Array(100_000));
    await expect.poll(log).toContain("swallows");
    sent.destroy();
    await expect.poll(log).toContain("broken off");
    // The service goes on: what became of one request is nobody else's.
    expect(await (await ask("/upper", { method: "POST", body: "still here" })).text()).toBe("STILL HERE");
    expect(await session.remote.echo(1)).toBe(1);
  });

  test("a reader that stops slows the service, and one that leaves is noticed", async () => {
    const { session, cookie, log } = await open();
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const url = `${session.address.href}/endless`;
      httpRequest(url, { headers: { cookie } }, resolve).once("error", reject).end();
    });
    let read = 0;
    for await (const chunk of answer) {
      read += (chunk as Buffer).length;
      if (read > READ_MIB * 1_048_576) break;
    }
    // The connection is destroyed: the service is told, and had not run far ahead of its reader.
    await expect.poll(log, { timeout: 5_000 }).toMatch(/cancelled after (\d+) MiB/);
    const ahead = Number(/cancelled after (\d+) MiB/.exec(log())?.[1]) - READ_MIB;
    expect(ahead).toBeLessThan(AHEAD_MIB_MAX);
  });
});

/** The key is nobody's but the client's: the tests read it as the door's own client does. */
async function keyOf(session: ReturnType<typeof connect<Resident>>): Promise<Uint8Array<ArrayBuffer>> {
  let key: Uint8Array<ArrayBuffer> | undefined;
  const before = globalThis.fetch;
  globalThis.fetch = async (_url, init) => {
    key = init?.body as Uint8Array<ArrayBuffer>;
    return new Response();
  };
  try {
    await session.openDoor();
  } finally {
    globalThis.fetch = before;
  }
  return key as Uint8Array<ArrayBuffer>;
}
