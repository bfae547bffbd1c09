// `npm start`: builds what is missing or old, installs what the example needs, and opens the desk (examples/desk).
// With --prepare it does not open it, and takes a library that was built before as it is: that is for the tests.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const desk = join(root, "examples", "desk");

/**
 * Runs npm, and shows what it said only if it failed; then this program ends.
 *
 * @param {string} what What is going on, for the person who waits.
 * @param {string} folder
 * @param {string[]} args
 */
function npm(what, folder, ...args) {
  console.log(`${what}…`);
  const windows = process.platform === "win32";
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: folder, encoding: "utf8", shell: windows });
  if (status === 0) return;
  console.error(`${stdout ?? ""}${stderr ?? ""}\n"npm ${args.join(" ")}" failed in ${folder}`);
  process.exit(1);
}

/**
 * When the newest of these files and folders was written; 0 for what is not there.
 *
 * @param {string[]} paths
 * @returns {number}
 */
function newest(...paths) {
  const times = paths.filter(existsSync).flatMap((path) => {
    const stat = statSync(path);
    return stat.isDirectory() ? readdirSync(path).map((name) => newest(join(path, name))) : [stat.mtimeMs];
  });
  return Math.max(0, ...times);
}

/** Whether a port is free is better known before a build than after it. */
async function refuseTakenPort() {
  const { PORT = "9000", HOST = "127.0.0.1" } = process.env;
  const port = Number(PORT);
  // A port that is none is the example's to tell.
  if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) return;
  const probe = createServer();
  /** @type {NodeJS.ErrnoException | undefined} */
  const error = await new Promise((resolve) => {
    probe.once("error", resolve).listen(port, HOST, () => resolve(undefined));
  });
  probe.close();
  if (error?.code !== "EADDRINUSE") return;
  const other = `PORT=${port + 1} npm start`;
  console.error(`Port ${port} of ${HOST} is taken by another program. Take another port: ${other}`);
  process.exit(1);
}

const onlyPrepares = process.argv.includes("--prepare");
if (!onlyPrepares) await refuseTakenPort();

if (!existsSync(join(root, "node_modules", "typescript"))) {
  console.error("The tools are not installed yet: run npm ci first.");
  process.exit(1);
}
const library = join(root, "dist", "index.js");
const isOld = newest(library) < newest(join(root, "src"), join(root, "tsconfig.json"));
if (onlyPrepares ? newest(library) === 0 : isOld) {
  npm("Building the library", root, "run", "build");
}
const installed = join(desk, "node_modules", ".package-lock.json");
if (newest(installed) < newest(join(desk, "package-lock.json"))) {
  npm("Installing what the example needs (once, about 40 MB)", desk, "ci");
}
const page = join(desk, "dist", "page", "index.html");
const sources = ["src", "page", "package.json", "tsconfig.json", "vite.config.ts"].map((name) => join(desk, name));
if (newest(page) < newest(library, ...sources)) npm("Building the example", desk, "run", "build");

if (!onlyPrepares) {
  /** @type {{ main(command: string): Promise<void> }} */
  const { main } = await import(pathToFileURL(join(desk, "dist", "main.js")).href);
  await main("node examples/desk/dist/cli.js");
}
