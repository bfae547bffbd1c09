import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { expect, onTestFinished, type TestContext, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** A build that is missing is a reason to skip; a build without one of the entries is a failure. */
function skipUnlessBuilt(context: TestContext): void {
  const entries = Object.keys(manifest.exports).filter((name) => !name.endsWith(".json"));
  const unwritten = entries
    .map((name) => join("src", name, "index.ts"))
    .filter((path) => !existsSync(join(root, path)));
  if (unwritten.length > 0) context.skip(`not written yet: ${unwritten.join(", ")}`);
  if (!existsSync(join(root, "dist"))) context.skip("not built: npm run build");
}

test("package pins every version exactly", () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version as string))).toEqual([]);
});

test("package publishes what its exports promise", async (context) => {
  skipUnlessBuilt(context);
  const { messages } = await publint({ pkgDir: root, strict: true, pack: false });
  expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
});

test("package gives every entry its types", { timeout: 60_000 }, async (context) => {
  skipUnlessBuilt(context);
  const folder = mkdtempSync(join(tmpdir(), "duowire-pack-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // Without scripts: a build would replace dist/ under the feet of the other tests.
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: root, maxBuffer: 1 << 24 });
  const [packed] = JSON.parse(stdout) as [{ filename: string }];
  const attw = join(root, "node_modules", "@arethetypeswrong", "cli", "dist", "index.js");
  // The profile: this package is for import, require() of it is left to Node's own support for that.
  const args = [attw, join(folder, packed.filename), "--profile", "esm-only", "--format", "ascii", "--no-color"];
  const failure = await run(process.execPath, args).then(
    () => "",
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
  );
  expect(failure).toBe("");
});

test("package's types need neither the DOM's nor skipLibCheck", { timeout: 60_000 }, async (context) => {
  skipUnlessBuilt(context);
  const folder = mkdtempSync(join(tmpdir(), "duowire-types-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const entries = ["client", "server", "testing"];
  const paths = Object.fromEntries(
    entries.map((name) => [`duowire/${name}`, [join(root, "dist", name, "index.d.ts")]]),
  );
  const compilerOptions = {
    ...{ module: "nodenext", target: "es2023", lib: ["ES2023", "ESNext.Disposable"], strict: true, noEmit: true },
    ...{ types: ["node"], typeRoots: [join(root, "node_modules", "@types")], skipLibCheck: false, paths },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["uses.ts"] }));
  writeFileSync(join(folder, "uses.ts"), entries.map((name) => `import "duowire/${name}";\n`).join(""));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const failure = await run(process.execPath, [tsc, "-p", folder], { cwd: root }).then(
    () => "",
    (error: { stdout: string }) => error.stdout,
  );
  expect(failure).toBe("");
});
