import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get, type IncomingMessage, type RequestOptions, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { files, serve } from "../../src/server/index.js";

const PIECE = 65_536;
const MIB = 1_048_576;
const TOTAL = 200 * MIB;
/** What may be under way between two ends of a loopback connection, its buffers in the kernel included. */
const UNDER_WAY_MAX = 32 * MIB;

/** What the service has seen, for the test. */
const seen = { produced: 0, taken: 0, mayTake: 0, aborted: false, errors: [] as unknown[] };
const folder = mkdtempSync(join(tmpdir(), "duowire-hypertext-"));
writeFileSync(join(folder, "ten.txt"), "0123456789");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Pages extends Service {
  readonly #files = files(folder, { under: this.session });

  async sign(path: string, method = "GET"): Promise<string> {
    return this.session.signUrl(path, { method });
  }

  override async fetch(asked: Request): Promise<Response> {
    asked.signal.addEventListener("abort", () => {
      seen.aborted = true;
    });
    const path = new URL(asked.url).pathname.split("/").at(-1);
    if (path === "download") return new Response(download());
    if (path === "upload") return new Response(String(await upload(asked)));
    if (path === "whoami") return new Response(this.session.id);
    return this.#files(asked);
  }
}

function download(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      if (seen.produced >= TOTAL) return controller.close();
      seen.produced += PIECE;
      controller.enqueue(new Uint8Array(PIECE));
    },
  });
}

async function upload(asked: Request): Promise<number> {
  for await (const piece of asked.body as unknown as AsyncIterable<Uint8Array>) {
    seen.taken += piece.length;
    while (seen.taken > seen.mayTake && !asked.signal.aborted) await new Promise((resolve) => setImmediate(resolve));
  }
  return seen.taken;
}

async function start() {
  Object.assign(seen, { produced: 0, taken: 0, mayTake: 0, aborted: false, errors: [] });
  const onError = (error: unknown) => seen.errors.push(error);
  const server = await serve<Pages>({ address: "http://127.0.0.1:0/WAO", service: Pages, onError });
  onTestFinished(() => server.close());
  const open = async () => {
    const session = connect<Pages>(server.address.href);
    onTestFinished(() => session.close());
    await session.opened;
    const url = async (path: string, method?: string) =>
      new URL(await session.remote.sign(path, method), session.address.href).href;
    return { session, url };
  };
  return { server, open };
}

async function ask(url: string, options: RequestOptions = {}) {
  const sent = request(url, { agent: false, ...options });
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let body = "";
  for await (const piece of answer) body += piece;
  return { status: answer.statusCode, headers: answer.headers, body };
}

test("200 MB go down to a slow reader, and only what it reads is made", { timeout: 60_000 }, async () => {
  const { open } = await start();
  const { url } = await open();
  const sent = get(await url("/download"), { agent: false });
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let read = 0;
  let most = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    read += piece.length;
    most = Math.max(most, seen.produced - read);
    // As slow as a turn for each piece: the service could make them all meanwhile.
    if (read % (8 * PIECE) < PIECE) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(read).toBe(TOTAL);
  expect(most).toBeLessThan(UNDER_WAY_MAX);
});

test("200 MB go up to a service that reads slowly, and only what it takes is sent", { timeout: 60_000 }, async () => {
  const { open } = await start();
  const { url } = await open();
  const sent = request(await url("/upload", "POST"), { method: "POST", agent: false });
  const answered = once(sent, "response");
  let written = 0;
  let most = 0;
  const piece = Buffer.alloc(PIECE);
  while (written < TOTAL) {
    written += PIECE;
    const isDrained = sent.write(piece);
    most = Math.max(most, written - seen.taken);
    // The service takes on only when the sender is held up, or far ahead.
    if (!isDrained) {
      seen.mayTake += 4 * PIECE;
      if (sent.writableNeedDrain) await once(sent, "drain");
    }
  }
  seen.mayTake = Number.POSITIVE_INFINITY;
  sent.end();
  const [answer] = (await answered) as [IncomingMessage];
  expect(Number(await new Response(answer as never).text())).toBe(TOTAL);
  expect(most).toBeLessThan(UNDER_WAY_MAX);
});

test("a client that leaves in the middle of its upload aborts the request's signal", async () => {
  const { open, server } = await start();
  const { url } = await open();
  const sent = request(await url("/upload", "POST"), { method: "POST", agent: false });
  sent.on("error", () => undefined);
  sent.write(Buffer.alloc(PIECE));
  await expect.poll(() => seen.taken).toBeGreaterThan(0);
  sent.destroy();
  await expect.poll(() => seen.aborted).toBe(true);
  await server.close();
  // That its body broke off is the client's doing, and no error of the service's.
  expect(seen.errors).toEqual([]);
});

test("one kept connection serves requests of different sessions", async () => {
  const { open } = await start();
  const sessions = await Promise.all([open(), open(), open()]);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ports = new Set<number | undefined>();
  for (let round = 0; round < 3; round += 1) {
    for (const { session, url } of sessions) {
      const sent = request(await url("/whoami"), { agent });
      sent.on("socket", (socket) => socket.once("connect", () => ports.add(socket.localPort)));
      sent.end();
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      expect(await new Response(answer as never).text()).toBe(session.address.href.split("/").at(-1));
    }
  }
  expect(ports.size).toBe(1);
});

test("files are served below a session's address, with ranges, HEAD and refusals", async () => {
  const { open } = await start();
  const { url } = await open();
  const address = await url("/ten.txt");
  expect((await ask(address)).body).toBe("0123456789");
  const part = await ask(address, { headers: { range: "bytes=2-4" } });
  expect([part.status, part.body, part.headers["content-range"]]).toEqual([206, "234", "bytes 2-4/10"]);
  expect((await ask(address, { headers: { range: "bytes=10-" } })).status).toBe(416);
  const head = await ask(address, { method: "HEAD" });
  expect([head.status, head.headers["content-length"], head.body]).toEqual([200, "10", ""]);
  const etag = head.headers.etag ?? "";
  const known = await ask(address, { headers: { "if-none-match": etag } });
  expect([known.status, known.body]).toEqual([304, ""]);
  expect((await ask(await url("/absent.txt"))).status).toBe(404);
  const posted = await ask(await url("/ten.txt", "POST"), { method: "POST" });
  expect([posted.status, posted.headers.allow]).toEqual([405, "GET, HEAD"]);
  // Careful defaults hold for files, too.
  expect(head.headers["content-security-policy"]).toBe("sandbox allow-scripts allow-forms");
});
