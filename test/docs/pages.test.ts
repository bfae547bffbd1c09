/** What the pages say beside their code: links, limits, versions; and that no guide is forgotten. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { defaultLimits } from "../../src/frame/limits.js";
import { Service } from "../../src/index.js";
import { defaultServerLimits, readSettings } from "../../src/server/settings.js";
import { readGuide } from "./guide.js";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const guides = readdirSync(new URL("docs/guides/", root))
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/guides/${name}`);
const pages = ["README.md", "CHANGELOG.md", "docs/README.md", ...guides];

test("every page marks its code blocks", () => {
  for (const page of pages) expect(() => readGuide(page), page).not.toThrow();
});

test("every guide with something to run is followed by a test, and every guide is in the list", () => {
  const followed = read("test/docs/guides.test.ts");
  for (const guide of guides) {
    const name = guide.slice("docs/guides/".length, -".md".length);
    if (readGuide(guide).some(({ kind }) => kind !== "shown")) expect(followed, guide).toContain(name);
    expect(read("docs/README.md"), guide).toContain(`guides/${name}.md`);
  }
});

test.for(pages)("%s links to what is there", (page) => {
  for (const [, target = ""] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    const url = path === "" ? new URL(page, root) : new URL(path, new URL(page, root));
    expect(existsSync(fileURLToPath(url)), `${page}: ${target}`).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(readFileSync(url, "utf8")), `${page}: ${target}`).toContain(anchor);
  }
});

function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

test("the README's limits are the defaults", () => {
  const { leaseMs, queueBytesMax } = readSettings({ address: "/WAO", service: class extends Service {} }, false);
  const figures: Record<string, string> = {
    messageBytesMax: `${defaultLimits.messageBytesMax / 1_048_576} MiB`,
    queueBytesMax: `${queueBytesMax / 1_048_576} MiB`,
    callsInFlightMax: defaultLimits.callsInFlightMax.toLocaleString("en"),
    referencesMax: defaultLimits.referencesMax.toLocaleString("en"),
    leaseMs: `${leaseMs / 1_000} s`,
    sessionsMax: defaultServerLimits.sessionsMax.toLocaleString("en"),
  };
  for (const [name, figure] of Object.entries(figures)) {
    const row = read("README.md")
      .split("\n")
      .find((line) => line.startsWith(`| \`${name}\``));
    expect(row, name).toContain(`| ${figure} |`);
  }
});

test("the operator's limits are the defaults", () => {
  const rows = read("docs/guides/operating.md").split("\n");
  for (const [name, value] of Object.entries(defaultServerLimits)) {
    if (!/^sessions|^waiting|PerSecondMax$/.test(name)) continue;
    const row = rows.find((line) => line.startsWith(`| \`${name}\``));
    expect(row, name).toContain(`| ${value.toLocaleString("en")} |`);
  }
});

test("the guides use the compiler and the runner that the checkout uses", () => {
  const own = JSON.parse(read("package.json")).devDependencies;
  const theirs = JSON.parse(read("docs/guides/package.json")).devDependencies;
  for (const name of ["tsx", "typescript", "@types/node"]) expect(theirs[name], name).toBe(own[name]);
});
