import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { DuowireError } from "../../src/base/errors.js";
import { type ConnectOptions, connect } from "../../src/client/index.js";
import { attach, serve } from "../../src/server/index.js";
import { startProxy, unusedPort } from "../support/faulty-proxy.js";
import { Ledger } from "../support/ledger.js";

/** Listens on a free port of loopback until the end of the test. */
async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    if ("closeAllConnections" in server) (server.closeAllConnections as () => void)();
  });
  return (server.address() as AddressInfo).port;
}

/** A program that is not ours, at the address. */
async function startStranger(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(answer))}/WAO`;
}

interface Failure {
  readonly reason: DuowireError;
  readonly call: DuowireError;
  readonly ms: number;
}

/** Connects to something that gives no session: all that the program sees of it, which must tell the same story. */
async function failTo(
  href: string,
  options: Pick<ConnectOptions, "connectTimeoutMs" | "service"> = {},
): Promise<Failure> {
  const startedAt = performance.now();
  const session = connect<Ledger>(href, { connectTimeoutMs: 5_000, ...options });
  onTestFinished(() => session.close());
  const call = session.remote.take(1).then(
    () => Promise.reject(new Error("the call was answered")),
    (error: DuowireError) => error,
  );
  const reason = await session.closed;
  const ms = performance.now() - startedAt;
  await expect(session.opened).rejects.toBe(reason);
  expect(session.state).toBe("closed");
  const failed = await call;
  // A refusal says of every call that it did not run, and is the call's own reason; otherwise nobody can tell.
  const wasRefused = reason.outcome === "not_sent";
  const [code, outcome] = wasRefused ? [reason.code, "not_sent"] : ["outcome_unknown", "outcome_unknown"];
  expect(failed).toMatchObject({ code, outcome, cause: reason });
  const later = { code: wasRefused ? reason.code : "not_sent", outcome: "not_sent", cause: reason };
  await expect(session.remote.take(2)).rejects.toMatchObject(later);
  return { reason, call: failed, ms };
}

test("connect before the server is there: it works as soon as the server comes up", async () => {
  const port = await unusedPort();
  const session = connect<Ledger>(`http://127.0.0.1:${port}/WAO`);
  onTestFinished(() => session.close());
  const early = session.remote.take(7);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(session.state).toBe("connecting");
  const server = await serve({ address: `http://127.0.0.1:${port}/WAO`, service: Ledger });
  onTestFinished(() => server.close());
  expect(await early).toBe(7);
  expect(await session.remote.received()).toEqual([7]);
  expect(server.sessions.size).toBe(1);
});

test("a dead server is connect_timeout after connectTimeoutMs, in words that name address and cause", async () => {
  const port = await unusedPort();
  const { reason, ms } = await failTo(`http://127.0.0.1:${port}/WAO`, { connectTimeoutMs: 700 });
  expect(reason.code).toBe("connect_timeout");
  expect(reason.message).toContain(`http://127.0.0.1:${port}/WAO`);
  expect(reason.message).toMatch(/700 ms.*ECONNREFUSED/);
  expect(ms).toBeGreaterThan(650);
  expect(ms).toBeLessThan(1_200);
});

test("a port that accepts and never answers is connect_timeout", async () => {
  const proxy = await startProxy(0);
  proxy.mode = "swallow";
  const { reason, ms } = await failTo(`http://127.0.0.1:${proxy.port}/WAO`, { connectTimeoutMs: 700 });
  expect(reason.code).toBe("connect_timeout");
  expect(reason.message).toContain("no answer came");
  expect(ms).toBeLessThan(1_200);
});

test("a port that resets every connection is connect_timeout, and says so", async () => {
  const proxy = await startProxy(0);
  proxy.mode = "reset";
  const { reason } = await failTo(`http://127.0.0.1:${proxy.port}/WAO`, { connectTimeoutMs: 700 });
  expect(reason.code).toBe("connect_timeout");
  expect(reason.message).toMatch(/ECONNRESET|socket/);
});

test("a program that does not speak HTTP is named as the last failure", async () => {
  const port = await listen(createTcpServer((socket) => socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.2\r\n")));
  const { reason } = await failTo(`http://127.0.0.1:${port}/WAO`, { connectTimeoutMs: 700 });
  expect(reason.code).toBe("connect_timeout");
  expect(reason.message).toMatch(/HPE_INVALID|pars/i);
});

test("a page of HTML at the address is not_duowire at once, and the page is quoted", async () => {
  const href = await startStranger((_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome to nginx!</h1>");
  });
  const { reason, ms } = await failTo(href);
  expect([reason.code, reason.side]).toEqual(["not_duowire", "remote"]);
  expect(reason.message).toContain("status 200");
  expect(reason.message).toContain("Welcome to nginx!");
  expect(ms).toBeLessThan(1_000);
});

test("a 404 of another program is not_duowire", async () => {
  const href = await startStranger((_, response) => response.writeHead(404).end("Cannot POST /WAO"));
  const { reason } = await failTo(href);
  expect(reason.code).toBe("not_duowire");
  expect(reason.message).toMatch(/404.*Cannot POST/);
});

test("frames that are none are not_duowire", async () => {
  const href = await startStranger((_, response) => {
    response.writeHead(200, { "content-type": "application/octet-stream" }).end(Buffer.alloc(64, 0x7f));
  });
  expect((await failTo(href)).reason.code).toBe("not_duowire");
});

test("a redirect is an error that names its target", async () => {
  const href = await startStranger((_, response) => {
    response.writeHead(307, { location: "http://elsewhere.example/WAO" }).end();
  });
  const { reason } = await failTo(href);
  expect(reason.code).toBe("redirected");
  expect(reason.message).toContain("http://elsewhere.example/WAO");
});

test("a busy server in front is tried again until it has a session", async () => {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Ledger });
  onTestFinished(() => server.close());
  const { port } = server.address;
  let refusals = 0;
  const gate = createServer((request, response) => {
    if (++refusals <= 3) return void response.writeHead(503).end("no upstream");
    const headers = { "content-type": "application/octet-stream" };
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/WAO`, { method: "POST", body: Buffer.concat(chunks) });
      response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  const session = connect<Ledger>(`http://127.0.0.1:${await listen(gate)}/WAO`);
  expect(await session.remote.take(1)).toBe(1);
  expect(refusals).toBeGreaterThanOrEqual(4);
  // The gate lets no upgrade through, so this session never gets a link of its own.
  await session.close();
});

test("a certificate that nobody trusts is bad_certificate at once", async (context) => {
  if (spawnSync("openssl", ["version"]).error) context.skip("openssl is missing");
  const folder = mkdtempSync(join(tmpdir(), "duowire-tls-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", ...files, ...subject], {
    stdio: "ignore",
  });
  const secure = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) });
  const server = attach(secure, { address: "/WAO", service: Ledger });
  onTestFinished(() => server.close());
  const { reason, ms } = await failTo(`https://localhost:${await listen(secure)}/WAO`);
  expect(reason.code).toBe("bad_certificate");
  expect(reason.message).toMatch(/localhost.*SELF_SIGNED/);
  expect(ms).toBeLessThan(1_000);
});

test("a wrong service and a wrong system ID fail at once with the server's words", async () => {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", services: { ledger: Ledger } });
  onTestFinished(() => server.close());
  const wrongService = await failTo(server.address.href, { service: "files" });
  expect([wrongService.reason.code, wrongService.reason.side]).toEqual(["unknown_service", "remote"]);
  const wrongPlace = await failTo(server.address.href.replace("WAO", "OTHER"));
  expect(wrongPlace.reason.code).toBe("session_unknown");
  expect(wrongService.ms + wrongPlace.ms).toBeLessThan(2_000);
  expect(server.sessions.size).toBe(0);
});

test("an address that cannot be read is thrown by connect itself", () => {
  for (const address of ["", "WAO", "ftp://127.0.0.1/WAO", "http://", "http://127.0.0.1:99999/WAO"]) {
    expect(() => connect(address), address).toThrow(expect.objectContaining({ code: "bad_address" }));
  }
});
