/** Debian's Chromium, the page with the client in it, and servers that pages come from. */

import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { rolldown } from "rolldown";
import { onTestFinished, type TestContext } from "vitest";
import type { PageDriver } from "../browser/page.js";

const CHROMIUM = "/usr/bin/chromium";
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let browser: Promise<BrowserContext> | undefined;
let profile: string | undefined;
let script: Promise<string> | undefined;

/** The browser of this file's tests; skips the test where there is none. */
export function startChromium(context: TestContext): Promise<BrowserContext> {
  if (!existsSync(CHROMIUM)) context.skip("chromium is not installed: apt-get install chromium");
  profile ??= mkdtempSync(join(tmpdir(), "duowire-chromium-"));
  browser ??= chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: flags,
    // playwright switches it off, and we want to see what it does to a session.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  return browser;
}

/** For `afterAll`. */
export async function stopChromium(): Promise<void> {
  await (await browser)?.close();
  if (profile !== undefined) rmSync(profile, { recursive: true, force: true });
  browser = profile = undefined;
}

/** The page's script, bundled once per file of tests as a user's bundler would: `#websocket` is the browser's. */
export function pageScript(): Promise<string> {
  script ??= bundle(fileURLToPath(new URL("../browser/page.ts", import.meta.url)));
  return script;
}

async function bundle(input: string): Promise<string> {
  const bundled = await rolldown({
    input,
    platform: "browser",
    resolve: { conditionNames: ["duowire-source", "browser", "import", "default"], extensionAlias: { ".js": [".ts"] } },
  });
  try {
    const { output } = await bundled.generate({ format: "esm" });
    return output[0].code;
  } finally {
    await bundled.close();
  }
}

/** A server of pages. */
export interface Pages {
  readonly server: Server;
  readonly port: number;
  readonly origin: string;
  /** The paths that were asked for, in order. */
  readonly asked: string[];
}

/** An HTTP server that serves the page at every path, and a picture at each that ends in .svg, on a free port, until the end of the test. */
export async function startPages(host = "127.0.0.1"): Promise<Pages> {
  const asked: string[] = [];
  const code = await pageScript();
  const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
  const kinds: Record<string, [string, string]> = {
    js: ["text/javascript", code],
    svg: ["image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
  };
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const [type, body] = kinds[request.url?.split(".")[1] ?? ""] ?? ["text/html", html];
    response.setHeader("content-type", type);
    response.end(body);
  });
  server.listen(0, host);
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, origin: `http://${host}:${port}`, asked };
}

/** One tab with the page in it. */
export class Tab {
  constructor(readonly page: Page) {}

  /** Calls a function of the page's driver there. */
  do<Name extends keyof PageDriver>(
    name: Name,
    ...args: Parameters<PageDriver[Name]>
  ): Promise<Awaited<ReturnType<PageDriver[Name]>>> {
    return this.page.evaluate(
      ([name, args]) => {
        const { driver } = globalThis as unknown as { driver: Record<string, (...args: unknown[]) => unknown> };
        return driver[name]?.(...args);
      },
      [name, args] as [string, unknown[]],
    ) as Promise<Awaited<ReturnType<PageDriver[Name]>>>;
  }

  /** Goes to `url` and waits for the driver. */
  async goTo(url: string): Promise<void> {
    await this.page.goto(url);
    await this.ready();
  }

  /** Waits for the driver of the page that is there now. */
  async ready(): Promise<void> {
    await this.page.waitForFunction(() => "driver" in globalThis);
  }
}

/** A tab with the page from `url`, closed at the end of the test. */
export async function openTab(context: TestContext, url: string): Promise<Tab> {
  const tab = new Tab(await (await startChromium(context)).newPage());
  onTestFinished(() => tab.page.close());
  await tab.goTo(url);
  return tab;
}

/** An address of this machine that is not loopback: browsers call a plain http page from there not secure. */
export function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}
