import { afterAll, expect, onTestFinished, test } from "vitest";
import { type ServerEvents, serve } from "../../src/server/index.js";
import { openTab, startPages, stopChromium } from "../support/chromium.js";
import { startProxy, unusedPort } from "../support/faulty-proxy.js";
import { Ledger } from "../support/ledger.js";

afterAll(stopChromium);

async function start(origins: string[]) {
  const server = await serve<Ledger>({ address: "http://127.0.0.1:0/WAO", service: Ledger, origins });
  onTestFinished(() => server.close());
  return server;
}

test("a server that was restarted does not know the session, and a page is told so", async (context) => {
  const { origin } = await startPages();
  const [first, second] = [await start([origin]), await start([origin])];
  const proxy = await startProxy(first.address.port);
  const tab = await openTab(context, origin);
  await tab.do("open", `http://127.0.0.1:${proxy.port}/WAO`);
  await tab.do("take", 1);
  await expect.poll(async () => (await tab.do("report")).link).toBe("websocket");
  proxy.aimAt(second.address.port);
  proxy.destroyAll();
  await expect.poll(async () => (await tab.do("report")).closedCode, { timeout: 3_000 }).toBe("session_unknown");
});

test("a dead server is connect_timeout in a page, too", async (context) => {
  const { origin } = await startPages();
  const tab = await openTab(context, origin);
  const href = `http://127.0.0.1:${await unusedPort()}/WAO`;
  await tab.do("open", href, 700);
  expect(await tab.do("fails", "received")).toMatchObject({ kind: "DuowireError" });
  const { closedCode, closedMessage } = await tab.do("report");
  expect(closedCode).toBe("connect_timeout");
  expect(closedMessage).toContain(href);
});

test("a page whose origin is not listed is refused in words that name origin and remedy", async (context) => {
  const { origin } = await startPages();
  const server = await start([]);
  const refusals: string[] = [];
  const note = ({ detail }: CustomEvent<ServerEvents["refused"]>) => refusals.push(detail.error.message);
  server.addEventListener("refused", note);
  const tab = await openTab(context, origin);
  await tab.do("open", server.address.href, 700);
  await expect.poll(async () => (await tab.do("report")).state, { timeout: 3_000 }).toBe("closed");
  const { closedCode, closedMessage } = await tab.do("report");
  expect(refusals[0]).toContain(origin);
  expect(refusals[0]).toContain("list its origin in origins");
  expect(server.sessions.size).toBe(0);
  // A browser shows a page only the answers that the server lets it read: where it does not, the client can only guess.
  expect(["origin_refused", "connect_timeout"]).toContain(closedCode);
  expect(closedMessage).toMatch(/origin.* origins/);
});

test("a page of HTML at the address, a redirect and an unknown service each say what they are", async (context) => {
  const { origin, port } = await startPages();
  const server = await start([origin]);
  const tab = await openTab(context, origin);
  await tab.do("open", `http://127.0.0.1:${port}/WAO`);
  await expect.poll(async () => (await tab.do("report")).closedCode).toBe("not_duowire");
  await tab.do("open", server.address.href.replace("WAO", "OTHER"));
  await expect.poll(async () => (await tab.do("report")).closedCode).toBe("session_unknown");
});

test("a page cannot know a dead server: calls with a time limit settle, and the session outlives the refusals", async (context) => {
  const { origin } = await startPages();
  const server = await start([origin]);
  const proxy = await startProxy(server.address.port);
  const tab = await openTab(context, origin);
  await tab.do("open", `http://127.0.0.1:${proxy.port}/WAO`);
  await tab.do("take", 1);
  await expect.poll(async () => (await tab.do("report")).link).toBe("websocket");
  await proxy.refuse();
  await expect.poll(async () => (await tab.do("report")).state, { timeout: 2_000 }).toBe("interrupted");
  // Longer than a program in Node would wait before it believes that the server is gone.
  expect(await tab.do("takeWithin", 2, 4_500)).toMatchObject({ kind: "DuowireError", code: "deadline_exceeded" });
  expect((await tab.do("report")).state).toBe("interrupted");
  await proxy.listen();
  expect(await tab.do("take", 3)).toBe(3);
});
