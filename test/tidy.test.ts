import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { expect, test } from "vitest";
import { SourceFile, type Violation } from "./support/source-file.js";
import { checkCycles, checkImports, countTypeCycles } from "./support/tidy-imports.js";
import { checkWorkplace } from "./support/tidy-repository.js";
import { checkDocs, checkLanguage, checkPurity, checkSizes } from "./support/tidy-source.js";

// The table of layers and every limit are data in support/layers.ts. checker.test.ts proves that each rule can fail.

const root = new URL("../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

const manifest = JSON.parse(read("package.json"));
const packages = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
const files = sourcePaths().map((path) => new SourceFile(path, read(path)));

function sourcePaths(): string[] {
  if (!existsSync(new URL("src/", root))) return [];
  const names = readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name.replaceAll("\\", "/")}`)
    .sort();
}

function expectNone(violations: readonly Violation[]): void {
  const lines = violations.map((one) => `${one.file}:${one.line} [${one.rule}] ${one.advice}`);
  expect(lines.length, `\n${lines.join("\n")}\n`).toBe(0);
}

test("source imports only what the table of layers allows", () => expectNone(checkImports(files, packages)));
test("source has no import cycle at run time", () => {
  expectNone(checkCycles(files));
  const typeCycles = countTypeCycles(files);
  if (typeCycles > 0) console.info(`${typeCycles} import cycle(s) of types only`);
});
test("source keeps functions, files and lines short", () => expectNone(files.flatMap(checkSizes)));
test("source documents every export", () => expectNone(files.flatMap(checkDocs)));
test("source keeps pure layers pure", () => expectNone(files.flatMap(checkPurity)));
test("source avoids any, enum, default exports and console", () => expectNone(files.flatMap(checkLanguage)));

test("repository names no workplace", (context) => {
  let listed: string;
  try {
    listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: root, encoding: "utf8" });
  } catch {
    return context.skip("this is not a git checkout, or git is missing");
  }
  const paths = listed.split("\0").filter((path) => path !== "" && isFile(path));
  const strings = workplaceStrings();
  expectNone(paths.flatMap((path) => checkWorkplace(path, read(path), { strings })));
});

function isFile(path: string): boolean {
  return statSync(new URL(path, root), { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Where this checkout lies, and whose registry it was installed from. Too short a path would match everything. */
function workplaceStrings(): string[] {
  const registry = process.env.npm_config_registry;
  const host = registry && URL.canParse(registry) ? new URL(registry).host : "";
  const publicHosts = ["registry.npmjs.org", "registry.yarnpkg.com"];
  const strings = [root.pathname.replace(/\/$/, ""), homedir(), publicHosts.includes(host) ? "" : host];
  return strings.filter((one) => one.length > 5);
}
