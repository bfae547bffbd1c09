import { afterAll, expect, onTestFinished, test } from "vitest";
import { serve } from "../../src/server/index.js";
import { openTab, startPages, stopChromium } from "../support/chromium.js";
import { startProxy } from "../support/faulty-proxy.js";
import { Ledger } from "../support/ledger.js";

afterAll(stopChromium);

test("the change from plain HTTP to a WebSocket leaves no failed request in the console", {
  timeout: 60_000,
}, async (context) => {
  const pages = await startPages();
  const options = { address: "http://127.0.0.1:0/WAO", service: Ledger, origins: [pages.origin] };
  const server = await serve<Ledger>(options);
  onTestFinished(() => server.close());
  const proxy = await startProxy(server.address.port);
  const tab = await openTab(context, pages.origin);
  const failed: string[] = [];
  tab.page.on("response", (answer) => answer.status() >= 400 && failed.push(`${answer.status()} ${answer.url()}`));
  for (let round = 0; round < 2; round++) {
    proxy.forbids = (said) => said.includes("Upgrade: websocket");
    await tab.do("open", `http://127.0.0.1:${proxy.port}/WAO`);
    await expect.poll(async () => (await tab.do("report")).link, { timeout: 10_000 }).toBe("http-exchange");
    for (let n = 0; n < 5; n++) expect(await tab.do("take", n)).toBe(n);
    proxy.forbids = () => false;
    proxy.delayMs = 30;
    // Requests are on their way all the time, also at the moment of the change.
    const run = tab.do("run", { calls: 1_000, atOnce: 1, everyMs: 5, payloadBytes: 0 });
    await expect.poll(async () => (await tab.do("report")).link, { timeout: 20_000 }).toBe("websocket");
    expect((await run).client.errors).toEqual([]);
    proxy.delayMs = 0;
    await tab.do("close");
  }
  expect(failed).toEqual([]);
});
