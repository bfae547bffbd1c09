import { afterAll, expect, onTestFinished, test } from "vitest";
import { attach, type ServerEvents } from "../../src/server/index.js";
import { openTab, startPages, stopChromium } from "../support/chromium.js";
import { Ledger } from "../support/ledger.js";

afterAll(stopChromium);

async function start() {
  const pages = await startPages();
  const server = attach<Ledger>(pages.server, { address: "/WAO", service: Ledger });
  onTestFinished(() => server.close());
  const ended: string[] = [];
  const note = ({ detail }: CustomEvent<ServerEvents["session_ended"]>) => ended.push(detail.reason.code);
  server.addEventListener("session_ended", note);
  return { ...pages, server, ended, href: `${pages.origin}/WAO` };
}

test("20 reloads end 20 sessions, and leave one process", async (context) => {
  const { origin, href, server, ended } = await start();
  const tab = await openTab(context, origin);
  for (let reload = 0; reload < 20; reload++) {
    await tab.do("open", href);
    expect(await tab.do("take", reload)).toBe(reload);
    await tab.page.reload();
    await tab.ready();
  }
  await tab.do("open", href);
  await tab.do("take", 20);
  await expect.poll(() => server.sessions.size, { timeout: 5_000 }).toBe(1);
  expect(ended).toEqual(Array(20).fill("closed"));
});

test("a tab that is closed ends its session at once", async (context) => {
  const { origin, href, server, ended } = await start();
  const tab = await openTab(context, origin);
  await tab.do("open", href);
  await tab.do("take", 1);
  await tab.page.close({ runBeforeUnload: true });
  await expect.poll(() => server.sessions.size, { timeout: 3_000 }).toBe(0);
  expect(ended).toEqual(["closed"]);
});

test("a page that comes back from the back/forward cache goes on with its session", async (context) => {
  const { origin, href, server, asked, ended } = await start();
  const tab = await openTab(context, origin);
  await tab.do("open", href);
  await tab.do("take", 1);
  await expect.poll(async () => (await tab.do("report")).link).toBe("websocket");
  const { id } = await tab.do("report");
  await tab.goTo(`${origin}/elsewhere`);
  const cameBefore = asked.length;
  await tab.page.evaluate(() => void setTimeout(() => history.back()));
  const cameHow = () => asked.slice(cameBefore).find((path) => path.startsWith("/came-"));
  await expect.poll(cameHow, { timeout: 5_000 }).toBeDefined();
  if (cameHow() === "/came-anew") {
    await expect.poll(() => server.sessions.size, { timeout: 3_000 }).toBe(0);
    return context.skip("this browser did not keep the page, and the page's session has ended");
  }
  expect(await server.sessions.get(id)?.client.take(7)).toBe(7);
  expect([server.sessions.size, ended]).toEqual([1, []]);
});
