import { expect, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";

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
  await expect(session.openDoor()).rejects.toThrow();
  await stop();
});
