import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../src/base/clock.js";
import { connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { openDoorAt } from "../../src/link/door.js";
import { postLeaving } from "../../src/link/frames-request.js";
import { serve } from "../../src/server/index.js";
import { FakeClock } from "../support/fake-clock.js";

class Pages extends Service {
  link(path: string, expiresInMs?: number): string {
    return this.session.signUrl(path, expiresInMs === undefined ? {} : { expiresInMs });
  }

  override fetch(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    return new Response(`${pathname.slice(pathname.indexOf("/", 1))}${search}`);
  }
}

async function setUp() {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Pages });
  const session = connect<Pages>(server.address.href);
  await session.opened;
  const stop = async () => {
    await session.close();
    await server.close();
  };
  return { server, session, stop };
}

test("signUrl lets one path in, relative to the session's address", async () => {
  const { session, stop } = await setUp();
  const url = new URL(await session.remote.link("/report?month=10"), session.address.href);
  expect(url.href.startsWith(`${session.address.href}/report?month=10&`)).toBe(true);
  const page = await fetch(url);
  expect(await page.text()).toBe("/report?month=10");
  expect((await fetch(url.href.replace("month=10", "month=11"))).status).toBe(404);
  expect((await fetch(url, { method: "POST" })).status).toBe(404);
  await stop();
});

test("signUrl expires", async () => {
  const { session, stop } = await setUp();
  const url = new URL(await session.remote.link("/report", -1_000), session.address.href);
  expect((await fetch(url)).status).toBe(404);
  await stop();
});

test("openDoor rejects for a session that has ended", async () => {
  const { session, server, stop } = await setUp();
  await session.openDoor();
  await server.close();
  await expect(session.openDoor()).rejects.toMatchObject({ code: "unreachable" });
  await stop();
});

/** A server for what somebody posts: answers everything as told, and counts. */
async function listenAs(answer: (response: ServerResponse) => void) {
  const got = { requests: 0 };
  const httpServer = createServer((request, response) => {
    got.requests += 1;
    request.resume().on("end", () => answer(response));
  });
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  onTestFinished(() => {
    httpServer.close();
    httpServer.closeAllConnections();
  });
  return { got, href: `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}/WAO.1` };
}

test("neither openDoorAt nor postLeaving takes the key to where a redirection leads", async () => {
  const other = await listenAs((response) => response.writeHead(204).end());
  const location = `${other.href}/stolen`;
  const own = await listenAs((response) => response.writeHead(307, { location }).end());
  await expect(openDoorAt(`${own.href}/door`, new Uint8Array(32), systemClock)).rejects.toMatchObject({
    code: "redirected",
  });
  expect(other.got.requests).toBe(0);
  const spy = vi.spyOn(globalThis, "fetch");
  onTestFinished(() => spy.mockRestore());
  postLeaving(own.href, new Uint8Array(32));
  const answer = (await spy.mock.results[0]?.value) as Response;
  expect([answer.status, other.got.requests]).toEqual([307, 0]);
});

test("openDoorAt rejects with the refusal's own code, and with unreachable when no answer comes", async () => {
  const refusal = JSON.stringify({ code: "origin_refused", message: "this page is not among the origins" });
  const json = { "content-type": "application/json" };
  const refusing = await listenAs((response) => response.writeHead(403, json).end(refusal));
  const key = new Uint8Array(32);
  await expect(openDoorAt(`${refusing.href}/door`, key, systemClock)).rejects.toMatchObject({
    code: "origin_refused",
    message: expect.stringContaining("not among the origins"),
  });
  const silent = await listenAs(() => {});
  const clock = new FakeClock();
  const opening = openDoorAt(`${silent.href}/door`, key, clock);
  opening.catch(() => {});
  await expect.poll(() => silent.got.requests).toBe(1);
  clock.pass(10_000);
  await expect(opening).rejects.toMatchObject({ code: "unreachable", message: expect.stringContaining("10000 ms") });
});
