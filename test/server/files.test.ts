import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { type FilesOptions, files } from "../../src/server/index.js";

const WRITTEN = new Date("2026-01-02T03:04:05Z");

/** A folder with files in it, a secret beside it, and what answers for it. */
function place(options?: FilesOptions) {
  const base = mkdtempSync(join(tmpdir(), "duowire-files-"));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const root = join(base, "public");
  mkdirSync(join(root, "sub"), { recursive: true });
  mkdirSync(join(base, "public-not"));
  const put = (name: string, text: string) => {
    writeFileSync(join(base, name), text);
    utimesSync(join(base, name), WRITTEN, WRITTEN);
  };
  put("public/ten.txt", "0123456789");
  put("public/index.html", "<h1>root</h1>");
  put("public/sub/index.html", "<h1>sub</h1>");
  put("public/a b.bin", "bin");
  put("public/.env", "SECRET");
  put("public/empty.txt", "");
  put("secret.txt", "SECRET");
  put("public-not/x.txt", "SECRET");
  symlinkSync(join(base, "secret.txt"), join(root, "link.txt"));
  symlinkSync(base, join(root, "up"));
  symlinkSync(join(root, "ten.txt"), join(root, "inside.txt"));
  const answer = files(pathToFileURL(root), options);
  const ask = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await answer(new Request(`http://h${path}`, { method, headers }));
    // What a test does not read it gives up, as the server does, or the file would stay open.
    onTestFinished(async () => void (response.bodyUsed || (await response.body?.cancel())));
    return response;
  };
  return { ask, root };
}

test("files answers with the file, its type, and what a browser needs to ask again", async () => {
  const { ask } = place();
  const answer = await ask("/ten.txt");
  expect([answer.status, await answer.text()]).toEqual([200, "0123456789"]);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    "content-type": "text/plain; charset=utf-8",
    "content-length": "10",
    "accept-ranges": "bytes",
    "last-modified": WRITTEN.toUTCString(),
    "cache-control": "private, no-cache",
    etag: expect.stringMatching(/^W\/".+"$/),
  });
  expect(await (await ask("/")).text()).toBe("<h1>root</h1>");
  expect(await (await ask("/sub/")).text()).toBe("<h1>sub</h1>");
  expect((await ask("/a%20b.bin")).headers.get("content-type")).toBe("application/octet-stream");
  expect(await (await ask("/inside.txt")).text()).toBe("0123456789");
  expect(await (await ask("/empty.txt")).text()).toBe("");
  expect((await place({ keepMs: 60_000 }).ask("/ten.txt")).headers.get("cache-control")).toBe("private, max-age=60");
});

test.each([
  ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
  ["bytes=4-", 206, "456789", "bytes 4-9/10"],
  ["bytes=-3", 206, "789", "bytes 7-9/10"],
  ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
  ["bytes=8-99", 206, "89", "bytes 8-9/10"],
  ["bytes=10-", 416, "", "bytes */10"],
  ["bytes=-0", 416, "", "bytes */10"],
  // Of these RFC 9110 lets a server answer with the whole.
  ["bytes=5-2", 200, "0123456789", null],
  ["bytes=0-1,4-5", 200, "0123456789", null],
  ["lines=1-2", 200, "0123456789", null],
])("files answers the range %s with %i", async (range, status, body, contentRange) => {
  const { ask } = place();
  const answer = await ask("/ten.txt", { range });
  expect([answer.status, await answer.text(), answer.headers.get("content-range")]).toEqual([
    status,
    body,
    contentRange,
  ]);
  if (status === 206) expect(answer.headers.get("content-length")).toBe(String(body.length));
});

test("files says 304 to who has the file, and ranges only to who has this one", async () => {
  const { ask } = place();
  const { headers } = await ask("/ten.txt");
  const [etag, lastModified] = [headers.get("etag") ?? "", headers.get("last-modified") ?? ""];
  const same = await ask("/ten.txt", { "if-none-match": etag });
  expect([same.status, await same.text(), same.headers.get("etag")]).toEqual([304, "", etag]);
  expect((await ask("/ten.txt", { "if-modified-since": lastModified })).status).toBe(304);
  expect((await ask("/ten.txt", { "if-none-match": '"other"' })).status).toBe(200);
  expect((await ask("/ten.txt", { range: "bytes=0-1", "if-range": lastModified })).status).toBe(206);
  expect((await ask("/ten.txt", { range: "bytes=0-1", "if-range": '"other"' })).status).toBe(200);
});

test("files answers HEAD as GET without the body, and refuses other methods", async () => {
  const { ask } = place();
  const head = await ask("/ten.txt", {}, "HEAD");
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "10", ""]);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const refused = await ask("/ten.txt", {}, method);
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  }
});

test.each([
  "/../secret.txt",
  "/%2e%2e/secret.txt",
  "/..%2fsecret.txt",
  "/%2e%2e%2fsecret.txt",
  "/sub/..%2f..%2fsecret.txt",
  "/..%5csecret.txt",
  "/..\\secret.txt",
  "/%252e%252e/secret.txt",
  "/ten.txt%00",
  "/%00",
  "/link.txt",
  "/up/secret.txt",
  "/up/public-not/x.txt",
  "/../public-not/x.txt",
  "/.env",
  "/sub/../.env",
  "//etc/passwd",
  "/%ff",
  "/ten.txt/",
  "/absent",
])("files never leaves its folder for %j", async (path) => {
  const { ask } = place();
  const answer = await ask(path);
  expect(await answer.text()).not.toContain("SECRET");
  expect([400, 404]).toContain(answer.status);
});

test.skipIf(process.platform !== "linux")(
  "files closes the file of an answer that nobody reads, or not to its end",
  async () => {
    const { ask, root } = place();
    writeFileSync(join(root, "large.bin"), Buffer.alloc(1_048_576));
    const open = () => readdirSync("/proc/self/fd").filter((fd) => target(fd).startsWith(root)).length;
    const [unread, begun] = [await ask("/large.bin"), await ask("/large.bin")];
    const reader = begun.body?.getReader();
    await reader?.read();
    expect(open()).toBe(2);
    await unread.body?.cancel();
    await expect.poll(open).toBe(1);
    await reader?.cancel();
    await expect.poll(open).toBe(0);
    reader?.releaseLock();
  },
);

function target(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

test("files begins below the session's address, or a path", async () => {
  const session = { address: { href: "http://127.0.0.1:9000/shop/WAO.n1.x" } };
  const { ask } = place({ under: session });
  expect((await ask("/shop/WAO.n1.x/ten.txt")).status).toBe(200);
  for (const path of ["/ten.txt", "/shop/WAO.n1.xx/ten.txt", "/shop/WAO.n1.x", "/shop/WAO.n1.y/ten.txt"]) {
    expect((await ask(path)).status).toBe(404);
  }
  expect((await place({ under: "/assets/" }).ask("/assets/ten.txt")).status).toBe(200);
  expect(() => files("public")).toThrow(/absolute/);
});
