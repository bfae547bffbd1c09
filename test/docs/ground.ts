/** Folders to follow a guide in: outside of the checkout, with the package as a user gets it. */
import { execFile } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const guides = join(root, "docs", "guides");

/** What the guides without a framework need besides duowire itself; taken from the checkout. */
const BORROWED = ["ws", "srvx", "tsx", "typescript", "@types", "zod"];

/** Why guides cannot be followed at all; undefined if they can. */
export function whyNot(): string | undefined {
  return existsSync(join(root, "dist", "server", "index.js")) ? undefined : "not built: npm run build";
}

/** The folders that were made, and what is made once for all of them. */
const bases: string[] = [];
let packing: Promise<string> | undefined;
let frameworks: Promise<string | undefined> | undefined;

/** Removes every folder; for the end of the tests. */
export function removeGrounds(): void {
  for (const base of bases.splice(0)) rmSync(base, { recursive: true, force: true, maxRetries: 5 });
}

function makeBase(): string {
  const base = mkdtempSync(join(tmpdir(), "duowire-docs-"));
  bases.push(base);
  // Web servers that are started as root work as somebody else.
  chmodSync(base, 0o755);
  return base;
}

/** The package as npm packs it. Without scripts: a build would replace dist/ under the feet of the other tests. */
async function pack(): Promise<string> {
  const base = makeBase();
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", base], { cwd: root });
  return join(base, readdirSync(base).find((name) => name.endsWith(".tgz")) ?? "");
}

/** An empty folder of somebody's own, beside it `duowire/` with the packed package. */
export async function emptyGround(): Promise<string> {
  packing ??= pack();
  const packed = await packing;
  const base = makeBase();
  mkdirSync(join(base, "duowire"));
  cpSync(packed, join(base, "duowire", basename(packed)));
  const mine = join(base, "mine");
  mkdirSync(mine);
  return mine;
}

/** A folder with duowire and the tools of the first guide, without asking a registry. */
export async function toolGround(): Promise<string> {
  const folder = await emptyGround();
  const modules = join(folder, "node_modules");
  await unpack(folder, modules);
  mkdirSync(join(modules, ".bin"));
  for (const name of BORROWED) symlinkSync(join(root, "node_modules", name), join(modules, name));
  for (const name of ["tsx", "tsc"]) symlinkSync(join(root, "node_modules", ".bin", name), join(modules, ".bin", name));
  // As npm does when it installs a package with a program.
  chmodSync(join(modules, "duowire", "dist", "cli", "main.js"), 0o755);
  symlinkSync(join("..", "duowire", "dist", "cli", "main.js"), join(modules, ".bin", "duowire"));
  cpSync(join(guides, "package.json"), join(folder, "package.json"));
  return folder;
}

/**
 * A folder with the frameworks, in the versions of docs/guides/package-lock.json; undefined without a registry. It is
 * one folder for all: to install it takes a while.
 */
export function frameworkGround(): Promise<string | undefined> {
  frameworks ??= installFrameworks();
  return frameworks;
}

async function installFrameworks(): Promise<string | undefined> {
  const folder = await emptyGround();
  for (const name of ["package.json", "package-lock.json", ".npmrc"]) cpSync(join(guides, name), join(folder, name));
  try {
    await run("npm", ["ci", "--prefer-offline", "--ignore-scripts"], { cwd: folder });
  } catch (error) {
    if (isOutOfReach(String((error as { stderr: string }).stderr))) return undefined;
    throw error;
  }
  await unpack(folder, join(folder, "node_modules"));
  for (const name of ["ws", "srvx"]) {
    const path = join(folder, "node_modules", name);
    if (!existsSync(path)) symlinkSync(join(root, "node_modules", name), path);
  }
  return folder;
}

/** Whether npm's complaint is about the way to the registry. */
export function isOutOfReach(complaint: string): boolean {
  return /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT/.test(
    complaint,
  );
}

async function unpack(folder: string, modules: string): Promise<void> {
  const packed = join(folder, "..", "duowire");
  const [name = ""] = readdirSync(packed).filter((file) => file.endsWith(".tgz"));
  const target = join(modules, "duowire");
  mkdirSync(target, { recursive: true });
  await run("tar", ["-xzf", join(packed, name), "-C", target, "--strip-components=1"]);
}
