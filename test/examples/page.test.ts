/** The example desk's page, in a real browser: examples/desk/page. */
import { readFileSync } from "node:fs";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { startChromium, stopChromium } from "../support/chromium.js";
import { deskParts, type OpenDesk, PREPARE_MS } from "./desk-fixture.js";

const WAIT_MS = 15_000;

afterAll(stopChromium);

interface Visit {
  readonly desk: OpenDesk;
  readonly browser: BrowserContext;
  readonly page: Page;
}

/** A desk of its own, and one tab in which its page is open. */
async function visit(context: TestContext): Promise<Visit> {
  const browser = await startChromium(context);
  const { openDesk } = await deskParts(context);
  const desk = await openDesk({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => desk.close());
  return { desk, browser, page: await openTab(browser, desk) };
}

async function openTab(browser: BrowserContext, { pageHref }: OpenDesk): Promise<Page> {
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(pageHref);
  await page.waitForSelector('#link[data-state="open"]');
  return page;
}

async function sendSample(page: Page, answer: string): Promise<void> {
  await page.click('[data-sample="zipcodes.csv"]');
  await page.locator("#options button", { hasText: answer }).click();
  await page.waitForSelector("#result:not([hidden])");
}

/** Follows the link to the report, which opens in a tab of its own. */
async function openReport(browser: BrowserContext, page: Page): Promise<Page> {
  const [report] = await Promise.all([browser.waitForEvent("page"), page.click("#report")]);
  onTestFinished(() => report.close());
  await report.waitForLoadState();
  return report;
}

/** Whether anything sticks out to the right of the window. */
function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
}

describe("desk page", { timeout: PREPARE_MS }, () => {
  it("sends a sample, asks, and shows the chart", async (context) => {
    const { page } = await visit(context);
    await page.click('[data-sample="zipcodes.csv"]');
    await page.waitForSelector("#question:not([hidden])");
    expect(await page.textContent("#question-text")).toBe("zipcodes.csv has 42,049 rows. What should the chart show?");
    // The first option has the focus: Enter is enough.
    await page.keyboard.press("Enter");
    await page.waitForSelector("#result:not([hidden])");
    expect(await page.textContent("#facts")).toContain("42,049 rows");
    const width = await page.locator("#chart").evaluate((chart) => (chart as HTMLImageElement).naturalWidth);
    expect(width).toBeGreaterThan(500);
  });

  it("opens the report at the session's own address, with its chart and a table to save", async (context) => {
    const { page, browser } = await visit(context);
    await sendSample(page, "map");
    const address = (await page.textContent("#address"))?.split(": ")[1];

    const report = await openReport(browser, page);

    expect(report.url().startsWith(`${address}/report?`)).toBe(true);
    expect(await report.title()).toBe("zipcodes.csv: A map by latitude and longitude");
    const chart = report.locator("img");
    expect(await chart.evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBeGreaterThan(500);
    const [download] = await Promise.all([report.waitForEvent("download"), report.click("text=The table as CSV")]);
    expect(download.suggestedFilename()).toBe("table.csv");
    expect(readFileSync(await download.path(), "utf8")).toMatch(/^longitude,latitude,rows\r\n/);
    await report.click("text=The chart alone");
    await report.waitForURL(/chart\.svg/);
    expect(await report.evaluate(() => document.documentElement.localName)).toBe("svg");
    // Each page is in an origin of its own, and nobody was given a cookie.
    expect(await report.evaluate(() => self.origin)).toBe("null");
    expect(await browser.cookies()).toEqual([]);
  });

  it("leaves one process after 20 reloads, and finds its report again", async (context) => {
    const { page, desk, browser } = await visit(context);
    await sendSample(page, "state");
    for (let reload = 0; reload < 20; reload += 1) {
      await page.reload();
      await page.waitForSelector("#result:not([hidden])");
    }
    await expect.poll(() => desk.server.sessions.size, { timeout: WAIT_MS }).toBe(1);
    expect(await page.textContent("#result-title")).toBe("Rows by state");
    const address = (await page.textContent("#address"))?.split(": ")[1];
    const report = await openReport(browser, page);
    expect(report.url().startsWith(`${address}/report?`)).toBe(true);
    expect(await report.title()).toBe("zipcodes.csv: Rows by state");
  });

  it("works in several tabs at once, each with a process of its own", async (context) => {
    const { page, desk, browser } = await visit(context);
    const tabs = [page, ...(await Promise.all([openTab(browser, desk), openTab(browser, desk)]))];
    await Promise.all(tabs.map((tab) => sendSample(tab, "state")));
    const addresses = await Promise.all(tabs.map((tab) => tab.textContent("#address")));
    expect(new Set(addresses).size).toBe(3);
    expect(desk.server.sessions.size).toBe(3);
  });

  it("says that loading the page again stopped the work", async (context) => {
    const { page } = await visit(context);
    await page.click('[data-sample="zipcodes.csv"]');
    await page.waitForSelector("#question:not([hidden])");
    await page.reload();
    await page.waitForSelector("#problem:not([hidden])");
    expect(await page.textContent("#problem .what")).toContain("stopped the work on zipcodes.csv");
  });

  it("says what is wrong with a file, and takes the next one", async (context) => {
    const { page } = await visit(context);
    await page.setInputFiles("#file", { name: "notes.json", mimeType: "text/plain", buffer: Buffer.from('{"a": 1}') });
    await page.waitForSelector("#problem:not([hidden])");
    expect(await page.textContent("#problem .what")).toBe("notes.json is not a CSV file: line 1 begins like JSON.");
    await sendSample(page, "map");
    expect(await page.isHidden("#problem")).toBe(true);
  });

  it("stops at the person's word", async (context) => {
    const { page } = await visit(context);
    await page.click('[data-sample="zipcodes.csv"]');
    await page.waitForSelector("#question:not([hidden])");
    await page.click("#stop");
    await page.waitForSelector("#problem:not([hidden])");
    expect(await page.textContent("#problem .what")).toBe("The work was stopped; nothing is kept of it.");
    await sendSample(page, "map");
  });

  it("says that its desk is gone, keeps the chart, and connects again", async (context) => {
    const { page, desk } = await visit(context);
    await sendSample(page, "state");
    const port = Number(new URL(desk.pageHref).port);
    await desk.close();
    await page.waitForSelector('#link[data-state="closed"]');
    await page.waitForSelector("#problem:not([hidden])");
    expect(await page.textContent("#problem .what")).toBe("The server was closed.");
    expect(await page.isVisible("#chart")).toBe(true);
    // Its page was the session's.
    expect(await page.isVisible("#report")).toBe(false);
    const { openDesk } = await deskParts(context);
    const next = await openDesk({ host: "127.0.0.1", port });
    onTestFinished(() => next.close());
    await page.click("#connect-again");
    await page.waitForSelector('#link[data-state="open"]');
    await sendSample(page, "map");
    expect(await page.isVisible("#report")).toBe(true);
  });

  it.for(["light", "dark"] as const)(
    "fits narrow and wide windows and is no blank, %s",
    async (colorScheme, context) => {
      const { page, browser } = await visit(context);
      await page.emulateMedia({ colorScheme });
      await sendSample(page, "state");
      const report = await openReport(browser, page);
      await report.emulateMedia({ colorScheme });
      for (const tab of [page, report]) {
        for (const width of [360, 1_200]) {
          await tab.setViewportSize({ width, height: 800 });
          expect(await isTooWide(tab)).toBe(false);
          const picture = await tab.screenshot();
          expect(picture.length).toBeGreaterThan(10_000);
        }
        const paper = await tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const brightness = Math.max(...(paper.match(/\d+/g) ?? []).map(Number));
        expect(brightness > 128).toBe(colorScheme === "light");
      }
    },
  );
});
