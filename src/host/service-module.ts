/** The module of a service, as a carrier loads it: `.js`, or `.ts` where Node or `tsx` can run that (D34). */
import { isMainThread } from "node:worker_threads";
import { DuowireError } from "../base/errors.js";
import { methodsOfClass } from "../rpc/method-table.js";
import { Service } from "../rpc/service.js";
import { tsxNear } from "./carrier-program.js";
import type { ServiceClass } from "./inline.js";

/**
 * The service of a module: its default export. Throws `invalid_argument` that says what to do when that is no class of
 * services, or when this Node cannot run the module; what the module itself throws comes through as it is.
 */
export async function loadService(href: string): Promise<ServiceClass> {
  if (/\.[cm]?ts$/.test(new URL(href).pathname)) await registerTypeScript(href);
  const module = (await import(href)) as { readonly default?: unknown };
  const service = module.default;
  if (typeof service !== "function" || !isService(service)) throw unusable(href, whatIsWrong(service));
  methodsOfClass(service as ServiceClass);
  return service as ServiceClass;
}

function isService(value: { readonly prototype?: unknown }): boolean {
  return value.prototype instanceof Service;
}

function whatIsWrong(value: unknown): string {
  if (typeof value !== "function") return "has no class as its default export: export default class … extends Service";
  let parent: unknown = value;
  while (typeof parent === "function" && parent.name !== "Service") parent = Object.getPrototypeOf(parent);
  const copies = "extends the Service of another copy of duowire: `npm ls duowire` shows them; there must be one";
  return typeof parent === "function" ? copies : "has a default export that does not extend Service of duowire";
}

/** Node runs TypeScript by itself from 22.18 on; before, `tsx` has to be found from the module's own place. */
async function registerTypeScript(href: string): Promise<void> {
  const isNative = "typescript" in process.features && process.features.typescript !== false;
  const isRegistered = isMainThread && process.execArgv.some((flag) => flag.includes("tsx"));
  if (isNative || isRegistered) return;
  let tsx: URL;
  try {
    tsx = tsxNear(href);
  } catch (error) {
    const advice = "install tsx beside it (npm install tsx), or use Node 22.18 or newer";
    throw unusable(href, `is TypeScript, which Node ${process.versions.node} does not run: ${advice}`, error);
  }
  const { register } = (await import(tsx.href)) as { register(): unknown };
  register();
}

function unusable(href: string, what: string, cause?: unknown): DuowireError {
  return new DuowireError("invalid_argument", `the service module ${href} ${what}`, { side: "local", cause });
}
