/** The README and the guides, followed to the letter: see reader.ts and docs/README.md. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, expect, onTestFinished, type TestContext, test } from "vitest";
import { emptyGround, frameworkGround, isOutOfReach, removeGrounds, toolGround, whyNot } from "./ground.js";
import { type Block, readGuide, sectionsOf } from "./guide.js";
import { environment, Reader } from "./reader.js";

const NO_REGISTRY = "npm cannot reach its registry";
afterAll(removeGrounds);

const options = { timeout: 180_000 };

function skipUnlessBuilt(context: TestContext): void {
  const reason = whyNot();
  if (reason !== undefined) context.skip(reason);
}

/** Follows a guide from an empty folder, its npm commands included. */
async function followFromNothing(context: TestContext, blocks: readonly Block[]): Promise<void> {
  skipUnlessBuilt(context);
  const reader = await Reader.start(await emptyGround());
  onTestFinished(() => reader.stop());
  await reader.follow(blocks).catch((error: Error) => {
    if (isOutOfReach(error.message)) context.skip(NO_REGISTRY);
    throw error;
  });
}

/** Follows a guide in a folder that has what it needs. */
async function follow(context: TestContext, blocks: readonly Block[]): Promise<void> {
  skipUnlessBuilt(context);
  const reader = await Reader.start(await toolGround());
  onTestFinished(() => reader.stop());
  await reader.follow(blocks);
}

/** Follows a section in a folder with the frameworks; its programs still run afterwards. */
async function followWithFrameworks(context: TestContext, blocks: readonly Block[]): Promise<Reader> {
  skipUnlessBuilt(context);
  const folder = await frameworkGround();
  if (folder === undefined) return context.skip(NO_REGISTRY);
  const reader = await Reader.start(folder);
  onTestFinished(() => reader.stop());
  await reader.follow(blocks);
  return reader;
}

function skipWithout(context: TestContext, ...programs: string[]): void {
  for (const program of programs) {
    const found = spawnSync("sh", ["-c", `command -v ${program}`], { env: environment() }).status === 0;
    if (!found) context.skip(`${program} is missing`);
  }
}

test("README.md, followed from an empty folder, works as printed", options, (context) =>
  followFromNothing(context, readGuide("README.md")),
);

test("first-service.md, followed from an empty folder, works as printed", options, (context) =>
  followFromNothing(context, readGuide("docs/guides/first-service.md")),
);

test.for([
  "callbacks-and-pushing",
  "groups",
  "errors-and-outcomes",
  "remoting",
  "streams",
  "pages-at-the-address",
  "supervision",
  "testing",
  "validation",
  "where-processes-run",
  "values-and-errors",
  "operating",
])("%s.md works as printed", options, (name, context) => follow(context, readGuide(`docs/guides/${name}.md`)));

const embedding = readGuide("docs/guides/embedding.md");

test.for(["node:http", "Express 5", "Fastify 5", "Hono 4"])(
  "embedding.md: %s works as printed",
  options,
  async (name, context) => {
    const blocks = sectionsOf(embedding, name);
    if (name === "node:http") await follow(context, blocks);
    else await followWithFrameworks(context, blocks);
  },
);

test("embedding.md: Vite works as printed, and hot reload goes on beside it", options, async (context) => {
  const program = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`).find(existsSync);
  const blocks = sectionsOf(embedding, "Vite's dev server, with hot reload");
  const reader = await followWithFrameworks(context, blocks);
  if (program === undefined) return context.skip("chromium is missing: the page was not opened");
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu"] });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  let hearsVite = false;
  page.on("framenavigated", () => {
    hearsVite = false;
  });
  page.on("console", (message) => {
    hearsVite ||= message.text().includes("[vite] connected");
  });
  await page.goto(`http://127.0.0.1:${reader.port("5173")}/`);
  const answer = () => page.textContent("#answer").catch(() => "");
  await expect.poll(answer, { timeout: 20_000 }).toBe("placed");
  edit(join(reader.folder, "page.ts"), "place(120)", "place(120) + '!'");
  await expect.poll(answer, { timeout: 20_000 }).toBe("placed!");
  edit(join(reader.folder, "page.ts"), "place(120) + '!'", "place(120)");
  // A page that is just being loaded would miss that Vite starts anew.
  await expect.poll(answer, { timeout: 20_000 }).toBe("placed");
  await expect.poll(() => hearsVite, { timeout: 20_000 }).toBe(true);
  edit(join(reader.folder, "desk.ts"), '"placed"', '"sold"');
  await expect.poll(answer, { timeout: 20_000 }).toBe("sold");
});

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(path, "utf8");
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
}

const proxies = readGuide("docs/guides/behind-a-proxy.md");

test.for([
  ["nginx", "nginx", "Without WebSocket"],
  ["HAProxy", "HAProxy"],
])("behind-a-proxy.md: %s works as printed", options, async ([name = "", ...sections], context) => {
  skipWithout(context, name.toLowerCase(), "openssl", "curl");
  await follow(context, sectionsOf(proxies, "The server", ...sections));
});
