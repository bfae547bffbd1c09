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

/** An answer that has not ended for so long waits. */
const WAITS_MS = 1_500;

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
  const waiting = () => proxy.waiting(WAITS_MS);
  await expect.poll(() => waiting().length, { timeout: 10_000 }).toBe(PLACES);
  const ids = await Promise.all(tabs.map(async (tab) => `/${(await tab.do("report")).id}`));
  const had = waiting();
  for (const [n, tab] of tabs.entries()) if (had.includes(ids[n] as string)) await tab.do("close");
  const others = tabs.filter((_, n) => !had.includes(ids[n] as string));
  expect(others).toHaveLength(TABS - PLACES);
  await expect.poll(() => waiting().filter((path) => !had.includes(path)).length, { timeout: 10_000 }).toBe(PLACES);
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
