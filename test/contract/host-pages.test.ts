import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { type Server, serve } from "../../src/server/index.js";
import { hostCases } from "./host-cases.js";
import type Resident from "./services/resident.js";

/** What is read of an endless page before its reader stops. */
const READ_MIB = 2;
/** What may be under way beyond that: the buffers of sockets, streams and the flow. */
const AHEAD_MIB_MAX = 24;

describe.each(hostCases)("pages of a service: $name", ({ make }) => {
  let server: Server<Resident>;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "duowire-pages-"));
    server = await serve<Resident>({ address: "http://127.0.0.1:0/WAO", service: make() });
  });
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A session whose pages `ask` may read. */
  async function open() {
    const session = connect<Resident>(server.address.href);
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

  test("bodies travel whole, in both directions at once", async () => {
    const { ask } = await open();
    const upper = await ask("/upper", { method: "POST", body: "quietly" });
    expect([upper.status, await upper.text()]).toEqual([201, "QUIETLY"]);
    const octets = new Uint8Array(3_000_000).map((_, index) => index * 7);
    const piped = await ask("/pipe", { method: "POST", body: octets, headers: { "x-asked": "yes" } });
    expect(piped.headers.get("x-asked")).toBe("yes");
    expect(Buffer.from(await piped.arrayBuffer()).equals(octets)).toBe(true);
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
