import { expect, test } from "vitest";
import { clientAddress, sourceOf } from "../../src/server/client-address.js";
import { checkOrigin, isSecure, type OriginRule } from "../../src/server/origins.js";
import { access, bearer, send, startServer } from "./support.js";

const rule: OriginRule = { origins: [], hosts: undefined, trustProxy: false, onLoopback: false, encrypted: false };

function decide(headers: Record<string, string>, more: Partial<OriginRule> = {}): string {
  try {
    return checkOrigin(headers, { ...rule, ...more }) ?? "ok";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const app = "https://app.example.com";

test.each<[string, Record<string, string>, Partial<OriginRule>, string]>([
  ["no Origin is not a browser", { host: "h" }, {}, "ok"],
  ["the same host", { host: "h:9000", origin: "http://h:9000" }, {}, "ok"],
  ["the same host in capitals", { host: "H:9000", origin: "http://h:9000" }, {}, "ok"],
  ["another port", { host: "h:9000", origin: "http://h:9001" }, {}, "origin_refused"],
  ["a default port", { host: "h", origin: "http://h" }, {}, "ok"],
  ["a default port in Host only", { host: "h:443", origin: "https://h" }, {}, "ok"],
  ["TLS ended by a proxy that keeps Host", { host: "h", origin: "https://h" }, {}, "ok"],
  ["another scheme where TLS ends here", { host: "h", origin: "http://h" }, { encrypted: true }, "origin_refused"],
  ["null", { host: "h", origin: "null" }, {}, "origin_refused"],
  ["null from the same origin", { host: "h", origin: "null", "sec-fetch-site": "same-origin" }, {}, "origin_refused"],
  ["null that is listed", { host: "h", origin: "null" }, { origins: ["null"] }, "null"],
  ["a listed origin", { host: "h", origin: app }, { origins: [app] }, app],
  [
    "a listed origin's sub-domain",
    { host: "h", origin: "https://a.app.example.com" },
    { origins: [app] },
    "origin_refused",
  ],
  ["a listed origin as a prefix", { host: "h", origin: `${app}.evil.com` }, { origins: [app] }, "origin_refused"],
  [
    "a listed origin as a suffix",
    { host: "h", origin: "https://evil-app.example.com" },
    { origins: [app] },
    "origin_refused",
  ],
  ["a listed origin in http", { host: "h", origin: "http://app.example.com" }, { origins: [app] }, "origin_refused"],
  ["the host as a prefix", { host: "h", origin: "http://h.evil.com" }, {}, "origin_refused"],
  ["the host as a suffix", { host: "h.com", origin: "http://evilh.com" }, {}, "origin_refused"],
  ["the host as a user", { host: "h", origin: "http://h@evil.com" }, {}, "origin_refused"],
  ["a path after the host", { host: "h", origin: "http://h/x" }, {}, "origin_refused"],
  ["a Host with an at sign", { host: "evil@h", origin: "http://h" }, {}, "origin_refused"],
  ["an Origin that is none", { host: "h", origin: "h" }, {}, "origin_refused"],
  ["two origins", { host: "h", origin: "http://h, http://evil" }, {}, "origin_refused"],
  ["Sec-Fetch-Site same-origin", { host: "inner", origin: app, "sec-fetch-site": "same-origin" }, {}, "ok"],
  ["Sec-Fetch-Site same-site", { host: "inner", origin: app, "sec-fetch-site": "same-site" }, {}, "origin_refused"],
  [
    "X-Forwarded-Host without trust",
    { host: "inner", origin: app, "x-forwarded-host": "app.example.com" },
    {},
    "origin_refused",
  ],
  [
    "X-Forwarded-Host with trust",
    { host: "inner", origin: app, "x-forwarded-host": "app.example.com", "x-forwarded-proto": "https" },
    { trustProxy: true },
    "ok",
  ],
  [
    "the last X-Forwarded-Host counts",
    { host: "inner", origin: "https://evil.com", "x-forwarded-host": "evil.com, app.example.com" },
    { trustProxy: true },
    "origin_refused",
  ],
  [
    "X-Forwarded-Proto with trust",
    { host: "inner", origin: app, "x-forwarded-host": "app.example.com", "x-forwarded-proto": "http" },
    { trustProxy: true },
    "origin_refused",
  ],
  ["a foreign Host on loopback", { host: "evil.com:9000" }, { onLoopback: true }, "host_refused"],
  [
    "a foreign Host and its own Origin on loopback",
    { host: "evil.com", origin: "http://evil.com" },
    { onLoopback: true },
    "host_refused",
  ],
  ["localhost in front of a foreign name", { host: "localhost.evil.com" }, { onLoopback: true }, "host_refused"],
  ["127.0.0.1 in front of a foreign name", { host: "127.0.0.1.evil.com" }, { onLoopback: true }, "host_refused"],
  ["localhost on loopback", { host: "localhost:9000" }, { onLoopback: true }, "ok"],
  ["a name below localhost on loopback", { host: "app.localhost" }, { onLoopback: true }, "ok"],
  ["IPv6 on loopback", { host: "[::1]:9000" }, { onLoopback: true }, "ok"],
  ["a listed host", { host: "h.example:9000" }, { hosts: ["h.example"], onLoopback: true }, "ok"],
  ["a listed host with port", { host: "h.example:9000" }, { hosts: ["h.example:9000"] }, "ok"],
  ["a listed host with another port", { host: "h.example:9001" }, { hosts: ["h.example:9000"] }, "host_refused"],
  ["a host that is not listed", { host: "evil.com" }, { hosts: ["h.example"] }, "host_refused"],
  [
    "loopback where hosts are listed",
    { host: "localhost" },
    { hosts: ["h.example"], onLoopback: true },
    "host_refused",
  ],
])("checkOrigin %s", (_name, headers, more, decision) => {
  expect(decide(headers, more)).toBe(decision);
});

test("checkOrigin names both values and both remedies", () => {
  const headers = { host: "inner:9000", origin: app };
  expect(() => checkOrigin(headers, rule)).toThrow(/"https:\/\/app\.example\.com".*"inner:9000".*origins.*trustProxy/);
  expect(() => checkOrigin(headers, { ...rule, trustProxy: true })).toThrow(/origins.*X-Forwarded-Host/);
});

test("isSecure believes X-Forwarded-Proto only of a trusted proxy", () => {
  const headers = { "x-forwarded-proto": "http, https" };
  expect(isSecure(headers, rule)).toBe(false);
  expect(isSecure(headers, { ...rule, trustProxy: true })).toBe(true);
  expect(isSecure({}, { ...rule, encrypted: true })).toBe(true);
});

test("clientAddress ignores X-Forwarded-For but of a trusted proxy", () => {
  const request = { headers: { "x-forwarded-for": "1.1.1.1, 2.2.2.2" }, socket: { remoteAddress: "9.9.9.9" } } as never;
  expect(clientAddress(request, false)).toBe("9.9.9.9");
  expect(clientAddress(request, true)).toBe("2.2.2.2");
  const junk = { headers: { "x-forwarded-for": "x\r\ny" }, socket: { remoteAddress: "9.9.9.9" } } as never;
  expect(clientAddress(junk, true)).toBe("9.9.9.9");
});

test("sourceOf counts an IPv4 address and an IPv6 network of 64 bits as one source", () => {
  expect(sourceOf("10.1.2.3")).toBe("10.1.2.3");
  expect(sourceOf("::ffff:10.1.2.3")).toBe("10.1.2.3");
  expect(sourceOf("2001:db8:0:7:1::5")).toBe("2001:db8:0:7::/64");
  expect(sourceOf("2001:0db8:0000:0007:ffff:1:2:3")).toBe("2001:db8:0:7::/64");
  expect(sourceOf("2001:db8::5")).toBe("2001:db8:0:0::/64");
  expect(sourceOf("::1")).toBe("0:0:0:0::/64");
  expect(sourceOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
  expect(sourceOf("")).toBe("");
});

test("a foreign origin is refused before anything is allocated, at every place", async () => {
  const { url, server, host } = await startServer();
  const { address, key } = await access(url);
  const evil = { origin: "https://evil.example", "content-type": "text/plain" };
  for (const [method, target] of [
    ["POST", url],
    ["OPTIONS", url],
    ["GET", url],
    ["POST", address],
    ["DELETE", address],
    ["POST", `${address}/door`],
    ["GET", `${address}/page`],
  ] as const) {
    const answer = await send(method, target, { headers: { ...evil, ...bearer(key) } });
    expect([answer.status, answer.json.code]).toEqual([403, "origin_refused"]);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  }
  expect([server.sessions.size, host.processes.length]).toEqual([1, 1]);
});

test("a refused origin gets its answer even when its body is large", async () => {
  const { url } = await startServer();
  const answer = await send("POST", url, { headers: { origin: "null" }, body: "x".repeat(3_000_000) });
  expect([answer.status, answer.headers.connection]).toEqual([403, "close"]);
});

test("a listed origin may ask beforehand and read the answer, never with credentials", async () => {
  const { url } = await startServer({ origins: [app] });
  const preflight = await send("OPTIONS", url, {
    headers: { origin: app, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers).toMatchObject({
    "access-control-allow-origin": app,
    "access-control-allow-methods": "POST, DELETE",
    "access-control-allow-headers": "authorization, content-type",
    vary: "Origin",
  });
  const answer = await send("POST", url, { headers: { origin: app } });
  expect(answer.headers).toMatchObject({
    "access-control-allow-origin": app,
    "access-control-expose-headers": "Location, Retry-After",
  });
  for (const { headers } of [preflight, answer]) expect(headers["access-control-allow-credentials"]).toBeUndefined();
});

test("a foreign Host is refused on loopback", async () => {
  const { url, server } = await startServer();
  const answer = await send("POST", url, { headers: { host: "rebound.example" } });
  expect([answer.status, answer.json.code]).toEqual([403, "host_refused"]);
  expect(answer.json.message).toMatch(/rebound\.example.*hosts.*trustProxy/);
  expect(server.sessions.size).toBe(0);
});
