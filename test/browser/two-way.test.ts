import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, type TestContext, test } from "vitest";
import { attach, serve } from "../../src/server/index.js";
import { openTab, ownAddress, startPages, stopChromium, type Tab } from "../support/chromium.js";
import { startProxy } from "../support/faulty-proxy.js";
import { Ledger } from "../support/ledger.js";
import type { Load } from "../support/ledger-end.js";

afterAll(stopChromium);

const load: Load = { calls: 1_000, atOnce: 8, everyMs: 16, payloadBytes: 0 };
const numbersOf = (calls: number) => Array.from({ length: calls }, (_, index) => index + 1);

/** A server of pages with a duowire server attached to it: one origin for both. */
async function startTogether(host?: string) {
  const pages = await startPages(host);
  const server = attach<Ledger>(pages.server, { address: "/WAO", service: Ledger, onError: () => {} });
  onTestFinished(() => server.close());
  return { ...pages, server, href: `${pages.origin}/WAO` };
}

/** A server at an origin of its own, behind a proxy, which pages of `origin` may use. */
async function startApart(origins: string[]) {
  const server = await serve<Ledger>({
    address: "http://127.0.0.1:0/WAO",
    service: Ledger,
    origins,
    onError: () => {},
  });
  onTestFinished(() => server.close());
  const proxy = await startProxy(server.address.port);
  return { server, proxy, href: `http://127.0.0.1:${proxy.port}/WAO` };
}

/** Calls both ways, callbacks, octets and errors. */
async function expectEverything(tab: Tab, href: string): Promise<void> {
  await tab.do("open", href);
  expect(await tab.do("take", 0)).toBe(0);
  await expect.poll(async () => (await tab.do("report")).link, { timeout: 5_000 }).toBe("websocket");
  const { client, service } = await tab.do("run", { ...load, calls: 50 });
  expect([client.errors, service.errors]).toEqual([[], []]);
  expect([client.received, client.answers, service.answers]).toEqual(Array(3).fill(numbersOf(50)));
  await tab.do("lend");
  expect((await tab.do("runCallback", { ...load, calls: 20 })).answers).toEqual(numbersOf(20));
  expect(await tab.do("calledBack")).toEqual(numbersOf(20));
  for (const length of [0, 1, 70_000, 1_000_000]) expect(await tab.do("echoes", length)).toBe(true);
  expect(await tab.do("fails", "missing")).toMatchObject({ kind: "DuowireError", code: "method_unknown" });
  expect(await tab.do("fails", "runCallback")).toMatchObject({ kind: "RemoteError", name: "TypeError" });
  expect((await tab.do("report")).states).toEqual(["open"]);
  await tab.do("close");
  expect(await tab.do("report")).toMatchObject({ state: "closed", closedCode: "closed" });
}

test("a page of the server's own origin calls and is called", async (context: TestContext) => {
  const { origin, href, server } = await startTogether();
  await expectEverything(await openTab(context, origin), href);
  await expect.poll(() => server.sessions.size).toBe(0);
});

test("a page of another origin that is listed calls and is called", async (context) => {
  const pages = await startPages();
  const { href } = await startApart([pages.origin]);
  await expectEverything(await openTab(context, pages.origin), href);
});

/** Puts files into the page's input as a person does: they stay on the disk until they are read. */
async function choose({ page }: Tab, files: string[]): Promise<void> {
  const tools = await page.context().newCDPSession(page);
  const { root } = await tools.send("DOM.getDocument");
  const { nodeId } = await tools.send("DOM.querySelector", { nodeId: root.nodeId, selector: "input" });
  await tools.send("DOM.setFileInputFiles", { files, nodeId });
  await tools.detach();
}

test("files of a page's input cross as Files; one that is gone from the disk says so", async (context) => {
  const { origin, href } = await startTogether();
  const tab = await openTab(context, origin);
  const folder = mkdtempSync(join(tmpdir(), "duowire-input-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const paths = ["ä.txt", "empty.bin", "gone.txt"].map((name) => join(folder, name));
  for (const [index, path] of paths.entries()) writeFileSync(path, "x".repeat(index === 1 ? 0 : 100_000));
  const [kept, empty, gone] = paths as [string, string, string];
  const modified = Math.floor(statSync(kept).mtimeMs);
  await tab.do("open", href);
  await tab.do("makeInput");
  await choose(tab, [kept, empty]);
  const { files, times } = (await tab.do("echoesFiles")) as { files: unknown[][]; times: number[] };
  expect(files).toEqual([
    [true, "ä.txt", "text/plain", 100_000, "xxx"],
    [true, "empty.bin", "application/octet-stream", 0, ""],
  ]);
  expect(times[0]).toBe(modified);
  await choose(tab, [kept, gone]);
  rmSync(gone);
  const failure = { kind: "DuowireError", code: "invalid_argument", outcome: "not_sent" };
  expect(await tab.do("echoesFiles")).toMatchObject(failure);
  writeFileSync(kept, "y".repeat(4_300_000));
  await choose(tab, [kept]);
  expect(await tab.do("echoesFiles")).toMatchObject({ ...failure, code: "message_too_large" });
  expect(await tab.do("take", 3)).toBe(3);
});

test("a page on plain http without crypto.subtle calls and is called", async (context) => {
  const host = ownAddress();
  if (host === undefined) return context.skip("this machine has no address but loopback's");
  const { origin, href } = await startTogether(host);
  const tab = await openTab(context, origin);
  expect(await tab.do("platform")).toEqual({ isSecure: false, hasSubtle: false, hasLocks: false });
  await expectEverything(tab, href);
});

test("1,000 numbered calls each way survive a connection destroyed every 100 ms", async (context) => {
  const pages = await startPages();
  const { href, proxy, server } = await startApart([pages.origin]);
  const tab = await openTab(context, pages.origin);
  await tab.do("open", href);
  await tab.do("lend");
  proxy.destroyEach(100);
  const { client, service } = await tab.do("run", load);
  const callbacks = await tab.do("runCallback", { ...load, calls: 200 });
  proxy.destroyEach(undefined);
  expect([client.errors, service.errors, callbacks.errors]).toEqual([[], [], []]);
  const numbers = numbersOf(load.calls);
  for (const list of [client.received, client.answers, service.received, service.answers])
    expect(list).toEqual(numbers);
  expect([callbacks.answers, await tab.do("calledBack")]).toEqual([numbersOf(200), numbersOf(200)]);
  expect(proxy.destroyed).toBeGreaterThan(15);
  expect(server.sessions.size).toBe(1);
});

test("several tabs have a session each", async (context) => {
  const { origin, href, server } = await startTogether();
  const tabs = await Promise.all([1, 2, 3, 4].map(() => openTab(context, origin)));
  await Promise.all(tabs.map((tab) => tab.do("open", href)));
  const tallies = await Promise.all(tabs.map((tab) => tab.do("run", { ...load, calls: 100 })));
  for (const { client, service } of tallies) {
    expect([client.errors, service.errors]).toEqual([[], []]);
    expect([client.received, service.received]).toEqual([numbersOf(100), numbersOf(100)]);
  }
  expect(server.sessions.size).toBe(4);
});
