import { expect, test } from "vitest";
import { randomIds, sequentialIds } from "../../src/access/address-generation.js";
import { ConnectionAddress } from "../../src/access/connection-address.js";
import { platformRandom } from "../../src/base/clock.js";
import { type Place, placeOf } from "../../src/server/request-target.js";
import { access, bearer, head, send, sendRaw, startServer } from "./support.js";

const address = ConnectionAddress.parse("http://h/apps/WAO");
const own = { address, ids: sequentialIds("WAO"), ownsServer: true };
const shared = { address, ids: sequentialIds("WAO"), ownsServer: false };
const random = { address, ids: randomIds({ systemId: "WAO", node: "n1", random: platformRandom }), ownsServer: false };

test.each<[string, Place, Place["kind"]]>([
  ["/apps/WAO", { kind: "fixed", query: "" }, "fixed"],
  ["/apps/WAO?tenant=3", { kind: "fixed", query: "?tenant=3" }, "fixed"],
  ["/apps/", { kind: "fixed", query: "" }, "foreign"],
  ["http://elsewhere/apps/WAO", { kind: "fixed", query: "" }, "fixed"],
  ["/apps/WAO7", { kind: "session", id: "WAO7" }, "session"],
  ["HTTPS://[::1]:9/apps/WAO7", { kind: "session", id: "WAO7" }, "session"],
  ["/apps/WAO7/door", { kind: "door", id: "WAO7" }, "door"],
  ["/apps/WAO7/", { kind: "hypertext", id: "WAO7", path: "/" }, "hypertext"],
  ["/apps/WAO7/a%20b?c=/../d", { kind: "hypertext", id: "WAO7", path: "/a%20b?c=/../d" }, "hypertext"],
  ["/apps/WAO7?x", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7?", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7/door?", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7;x", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7#x", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7/../WAO8", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7/%2e%2e/WAO8", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7/.%2E/WAO8", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7/..\\WAO8", { kind: "unknown" }, "unknown"],
  ["/apps/WAO7\\..\\WAO8", { kind: "unknown" }, "unknown"],
  ["/apps/WAO/../WAO8", { kind: "unknown" }, "foreign"],
  ["/apps/WAO%2f..%2fWAO8", { kind: "unknown" }, "foreign"],
  ["/apps//WAO8", { kind: "unknown" }, "foreign"],
  ["//apps/WAO8", { kind: "unknown" }, "foreign"],
  ["/apps/./WAO8", { kind: "unknown" }, "foreign"],
  ["/apps/%57AO8", { kind: "unknown" }, "foreign"],
  ["/apps/wao8", { kind: "session", id: "wao8" }, "foreign"],
  ["/apps/__proto__", { kind: "session", id: "__proto__" }, "foreign"],
  ["/other", { kind: "unknown" }, "foreign"],
  ["/", { kind: "unknown" }, "foreign"],
  ["*", { kind: "invalid" }, "foreign"],
  ["", { kind: "invalid" }, "foreign"],
  ["http://[", { kind: "invalid" }, "foreign"],
  ["http://", { kind: "invalid" }, "foreign"],
  ["http:///apps/WAO", { kind: "invalid" }, "foreign"],
  ["ftp://h/apps/WAO", { kind: "invalid" }, "foreign"],
  ["apps/WAO", { kind: "invalid" }, "foreign"],
])("placeOf %s", (target, place, kindWhenShared) => {
  expect(placeOf(target, own)).toEqual(place);
  expect(placeOf(target, shared).kind).toBe(kindWhenShared);
});

test("placeOf claims exactly what the generator in use can make", () => {
  expect(placeOf("/apps/WAO1", random).kind).toBe("foreign");
  expect(placeOf("/apps/WAO.n1.xyz", random).kind).toBe("session");
  expect(placeOf("/apps/WAO.n1.xyz", shared).kind).toBe("foreign");
  expect(placeOf("/apps/WAO-assets/x.js", random).kind).toBe("foreign");
});

test("placeOf never throws, whatever the target", () => {
  for (const target of ["\0", "/\0", "/apps/\ud800", "/apps/WAO7/\ud800", "http://\ud800/", "/apps/WAO7/[", "/%"]) {
    expect(() => placeOf(target, own)).not.toThrow();
  }
});

const WRONG = [
  "/WAO1/../WAO2",
  "/WAO1/%2e%2e/WAO2",
  "/WAO/%2e%2e/WAO2",
  "/WAO%2f..%2fWAO2",
  "//WAO2",
  "/./WAO2",
  "/x/../WAO2",
  "/WAO2;x",
  "/WAO2/",
  "/WAO2?x",
  "/WAO2?",
  "/WAO2%00",
  "/WAO2%20",
  "/%57AO2",
  "/WAO2\\",
  "/\\WAO2",
  "/WAO2%c0%80",
];

test("no other spelling of an address reaches a session, even with its key", async () => {
  const { url, port, server } = await startServer({ ids: "sequential" });
  await access(url);
  const { key, address: mine } = await access(url);
  for (const target of WRONG) {
    const answer = await sendRaw(port, head(`DELETE ${target} HTTP/1.1`, bearer(key)));
    expect([target, answer.slice(0, 12)]).toEqual([target, "HTTP/1.1 404"]);
  }
  expect(server.sessions.size).toBe(2);
  expect((await send("DELETE", mine, { headers: bearer(key) })).status).toBe(204);
});

test("a client cannot choose an id", async () => {
  const { url, server } = await startServer({ ids: "sequential" });
  const answer = await send("POST", `${url}?id=WAO9&sid=WAO9`, {
    headers: { "x-session-id": "WAO9" },
    body: '{"id":"WAO9","__proto__":{"id":"WAO9"}}',
  });
  expect(answer.json.id).toBe("WAO1");
  expect(server.sessions.get("WAO9")).toBeUndefined();
});

test.each([
  ["two Host headers", "GET /WAO HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\nConnection: close\r\n\r\n", "400"],
  ["no Host header", "GET /WAO HTTP/1.1\r\nConnection: close\r\n\r\n", "400"],
  ["HTTP/0.9", "GET /WAO HTTP/0.9\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "400"],
  ["HTTP/0.9 without a version", "GET /WAO\r\n\r\n", "400"],
  ["HTTP/9.9", "GET /WAO HTTP/9.9\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "400"],
  ["an absolute target that is none", "GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "400"],
  ["the target *", "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "400"],
  ["an absolute target", "GET http://other/WAO HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "405"],
  ["HTTP/1.0 without Host", "GET /WAO HTTP/1.0\r\n\r\n", "405"],
  ["octets that are not HTTP", "\x16\x03\x01\x00\xa5\x01\r\n\r\n", "400"],
  ["a head above 16 kB", `GET /WAO HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(17_000)}\r\n\r\n`, "431"],
  [
    "both lengths",
    "POST /WAO HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "400",
  ],
])("a request with %s is answered and closed", async (_name, octets, status) => {
  const { port, url, errors } = await startServer();
  expect((await sendRaw(port, octets)).slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  expect((await send("GET", url)).status).toBe(405);
  expect(errors).toEqual([]);
});

test("a head that does not come is cut off after headTimeoutMs", async () => {
  const { port } = await startServer({ limits: { headTimeoutMs: 50 } });
  expect(await sendRaw(port, "GET /WAO HTTP/1.1\r\nHost: a\r\n")).toContain("408 Request Timeout");
});

test("what a client writes into target, method and headers is escaped in events", async () => {
  const { port, server } = await startServer();
  const seen: string[] = [];
  server.addEventListener("refused", ({ detail }) => seen.push(detail.target + detail.error.message));
  await sendRaw(port, head("GET /x\x1b[31m\x9b31m HTTP/1.1", { Origin: "http://\x1b]0;evil\x07" }));
  await sendRaw(
    port,
    head("GET /x%0d%0aSet-Cookie:x HTTP/1.1", { Origin: "http://e\x9bvil", "X-Forwarded-For": "\x9b" }),
  );
  const unprintable = [...seen.join("")].filter((character) => {
    const code = character.charCodeAt(0);
    return code < 32 || (code > 126 && code < 160);
  });
  expect(unprintable).toEqual([]);
});
