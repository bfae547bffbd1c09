import { afterAll, expect, onTestFinished, type TestContext, test } from "vitest";
import { attach } from "../../src/server/index.js";
import { openTab, ownAddress, startPages, stopChromium, type Tab } from "../support/chromium.js";
import { startHttpProxy } from "../support/http-proxy.js";
import { Ledger } from "../support/ledger.js";

afterAll(stopChromium);

const TABS = 8;
/** Answers that may wait at once, of all tabs of an origin. */
const PLACES = 3;
const numbers = Array.from({ length: 30 }, (_, index) => index + 1);

/** Pages and a server of one origin, behind a proxy that refuses upgrades. */
async function start(host: string) {
  const pages = await startPages(host);
  const server = attach<Ledger>(pages.server, { address: "/WAO", service: Ledger });
  onTestFinished(() => server.close());
  const proxy = await startHttpProxy(pages.port, { upgrades: "refused", answers: "streamed" }, host);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return { server, proxy, origin: `http://${host}:${proxy.port}` };
}

/** Of these tabs, those whose session made no more than a request or two in three seconds: their answers wait. */
async function waitingOf(tabs: readonly Tab[], asked: readonly string[]): Promise<Tab[]> {
  const before = asked.length;
  await tabs[0]?.page.waitForTimeout(3_000);
  const since = asked.slice(before);
  const ids = await Promise.all(tabs.map(async (tab) => (await tab.do("report")).id));
  return tabs.filter((_, index) => since.filter((path) => path === `/${ids[index]}`).length <= 2);
}

async function expectTabsShare(context: TestContext, host: string): Promise<void> {
  const { server, proxy, origin } = await start(host);
  const tabs: Tab[] = [];
  for (let n = 0; n < TABS; n++) tabs.push(await openTab(context, `${origin}/`));
  await Promise.all(tabs.map((tab) => tab.do("open", `${origin}/WAO`)));
  const runs = tabs.map((tab) => tab.do("run", { calls: 30, atOnce: 2, everyMs: 100, payloadBytes: 0 }));
  await expect.poll(() => server.sessions.size, { timeout: 10_000 }).toBe(TABS);
  for (const [n, tab] of tabs.entries()) expect(await tab.do("loads", `/${n}.svg`)).toBeLessThan(2_000);
  for (const { client, service } of await Promise.all(runs)) {
    expect([client.errors, service.errors]).toEqual([[], []]);
    for (const list of [client.received, client.answers, service.received, service.answers])
      expect(list).toEqual(numbers);
  }
  for (const tab of tabs) expect(await tab.do("report")).toMatchObject({ link: "http-exchange", state: "open" });
  const waiting = await waitingOf(tabs, proxy.asked);
  expect(waiting).toHaveLength(PLACES);
  for (const tab of waiting) await tab.do("close");
  const others = tabs.filter((tab) => !waiting.includes(tab));
  await expect.poll(async () => (await waitingOf(others, proxy.asked)).length, { timeout: 12_000 }).toBe(PLACES);
  for (const tab of others) expect(await tab.do("take", 31)).toBe(31);
}

test("eight tabs without WebSocket all work, and a picture loads", { timeout: 60_000 }, (context) =>
  expectTabsShare(context, "127.0.0.1"),
);

test("eight tabs on plain http without Web Locks all work, and a picture loads", { timeout: 60_000 }, (context) => {
  const host = ownAddress();
  if (host === undefined) return context.skip("this machine has no address but loopback's");
  return expectTabsShare(context, host);
});
