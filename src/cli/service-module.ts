/** Finds and loads the module of a service, in JavaScript or TypeScript (D34). */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { callableMethods, type ServiceClass } from "../host/inline.js";
import { usageFailure } from "./failure.js";

const TYPESCRIPT = /\.[mc]?ts$/;

/** The URL of a module that was named on the command line. Throws a usage failure when there is no such file. */
export function moduleUrl(name: string): URL {
  const path = resolve(name);
  if (!existsSync(path)) throw usageFailure(`there is no module ${name} (${path})`);
  return pathToFileURL(path);
}

/** Makes this process able to import `module` if that is TypeScript and Node is not. Throws a usage failure. */
export async function prepareTypeScript(module: URL): Promise<void> {
  const { typescript } = process.features as { readonly typescript?: unknown };
  if (!TYPESCRIPT.test(module.pathname) || typescript) return;
  const tsx = tsxBeside(module);
  if (tsx === undefined) {
    const node = `Node ${process.versions.node} does not run TypeScript by itself`;
    throw usageFailure(`${node}: npm install --save-dev tsx, or compile the module, or use Node 22.18 or newer`);
  }
  await import(tsx);
}

/** The class of services that `module` has as its default export, and the methods that clients may call on it. */
export async function loadService(module: URL): Promise<{ service: ServiceClass; methods: string[] }> {
  await prepareTypeScript(module);
  const service = await importDefault(module);
  if (typeof service !== "function") {
    throw usageFailure(`${module.pathname} has no class as its default export: export default class … extends Service`);
  }
  try {
    return { service: service as ServiceClass, methods: callableMethods(service as ServiceClass) };
  } catch (error) {
    if (isDuowireError(error)) throw usageFailure(`${module.pathname}: ${(error as Error).message}`);
    const advice = "it does not extend Service of this copy of duowire; run npx duowire in the folder that it is in";
    throw usageFailure(`${module.pathname} cannot be served: ${advice}`);
  }
}

async function importDefault(module: URL): Promise<unknown> {
  try {
    const { default: given } = (await import(module.href)) as { default?: unknown };
    // tsx takes TypeScript for CommonJS where package.json does not say "type": "module". The default export is then
    // all of the module, and what it imports is loaded a second time: its Service would not be ours.
    if (typeof given !== "object" || given === null || !("default" in given)) return given;
  } catch (error) {
    throw usageFailure(`${module.pathname} cannot be loaded:\n${withoutOurs(error)}`);
  }
  const advice = 'write "type": "module" into package.json, or name it .mts (.mjs)';
  throw usageFailure(`${module.pathname} is CommonJS, and a service must be an ES module: ${advice}`);
}

/** The tsx of the module's own folder, or ours: to import it is to make Node load TypeScript from then on. */
function tsxBeside(module: URL): string | undefined {
  for (const from of [module.href, import.meta.url]) {
    try {
      return pathToFileURL(createRequire(from).resolve("tsx")).href;
    } catch {
      // The next one may have it.
    }
  }
  return undefined;
}

/** What a module threw, with its stack as far as that is the module's. */
function withoutOurs(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const ours = new URL(".", import.meta.url).href;
  return stack
    .split("\n")
    .filter((line) => !line.includes(ours) && !line.includes("(node:internal/"))
    .join("\n");
}

function isDuowireError(error: unknown): boolean {
  return (error as { name?: unknown } | undefined)?.name === "DuowireError";
}
