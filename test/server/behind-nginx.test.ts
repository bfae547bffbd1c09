import { spawnSync } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { ConnectionAddress } from "../../src/access/connection-address.js";
import { startNginx } from "../support/nginx.js";
import { attachFrame, bearer, startServer } from "./support.js";

beforeEach((context) => {
  if (spawnSync("nginx", ["-v"]).error) context.skip("nginx is missing");
  if (spawnSync("openssl", ["version"]).error) context.skip("openssl is missing");
});

/** nginx with TLS and a path prefix in front of `upstream`; returns the public address of the server behind. */
async function publish(upstream: number, directives = ""): Promise<string> {
  const proxied = `proxy_pass http://127.0.0.1:${upstream}/; proxy_http_version 1.1; ${directives}`;
  const port = await startNginx(`location /apps/duo/ { ${proxied} }`, { tls: true });
  return `https://localhost:${port}/apps/duo/WAO`;
}

/** The certificate is our own, made for this test: that it is trusted is not what is tested here. */
async function ask(method: string, url: string, headers: Record<string, string> = {}, body?: string | Uint8Array) {
  const sent = request(url, { method, headers, rejectUnauthorized: false, agent: false });
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const piece of answer) text += piece;
  return Object.assign(answer, { text });
}

test("behind nginx the relative Location leads to the right address", async () => {
  const { port, server } = await startServer();
  const fixed = await publish(port);
  const answer = await ask("POST", fixed);
  expect(answer.statusCode).toBe(201);
  const { id, key } = JSON.parse(answer.text);
  expect(answer.headers.location).toBe(id);
  const address = ConnectionAddress.parse(fixed).inherit(answer.headers.location ?? null);
  expect(address.href).toBe(fixed.replace("WAO", id));
  expect((await ask("DELETE", address.href)).statusCode).toBe(404);
  expect((await ask("DELETE", address.href, bearer(key))).statusCode).toBe(204);
  expect(server.sessions.size).toBe(0);
});

test("behind nginx with default headers a page is refused, and told both values and both remedies", async () => {
  const { port } = await startServer();
  const fixed = await publish(port);
  const { origin } = new URL(fixed);
  const answer = await ask("POST", fixed, { origin });
  expect(answer.statusCode).toBe(403);
  const { code, message } = JSON.parse(answer.text);
  expect(code).toBe("origin_refused");
  for (const part of [origin, `127.0.0.1:${port}`, "origins", "trustProxy"]) expect(message).toContain(part);
  const sameOrigin = await ask("POST", fixed, { origin, "sec-fetch-site": "same-origin" });
  expect(sameOrigin.statusCode).toBe(201);
  const forged = await ask("POST", fixed, {
    origin,
    "x-forwarded-host": new URL(fixed).host,
    "x-forwarded-proto": "https",
  });
  expect(forged.statusCode).toBe(403);
});

test("behind nginx with trustProxy a page of the same origin is let in, and its cookie is Secure", async () => {
  const { port, host } = await startServer({ trustProxy: true });
  const fixed = await publish(
    port,
    `proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`,
  );
  const { origin } = new URL(fixed);
  const answer = await ask("POST", fixed, { origin, "x-forwarded-for": "6.6.6.6" });
  expect(answer.statusCode).toBe(201);
  expect(host.processes[0]?.access.remoteAddress).toBe("127.0.0.1");
  expect((await ask("POST", fixed, { origin: "https://evil.example" })).statusCode).toBe(403);
  expect((await ask("POST", fixed, { origin: origin.replace("https", "http") })).statusCode).toBe(403);
  const { id, key } = JSON.parse(answer.text);
  const door = await ask("POST", `${fixed.replace("WAO", id)}/door`, { origin, ...bearer(key) });
  expect(door.headers["set-cookie"]?.[0]).toMatch(/; Secure$/);
});

test("behind nginx an upgrade reaches the process", async () => {
  const { port, host } = await startServer();
  const fixed = await publish(port, 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";');
  const { id, key, admission } = JSON.parse((await ask("POST", fixed)).text);
  const socket = new WebSocket(
    fixed.replace("https", "wss").replace("WAO", id),
    ["duowire.1", `duowire.admission.${admission}`],
    { rejectUnauthorized: false },
  );
  await once(socket, "open");
  socket.send(attachFrame(Buffer.from(key, "base64url")));
  await once(socket, "message");
  expect(host.processes[0]?.state).toBe("open");
  socket.terminate();
});
