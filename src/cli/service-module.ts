/** Finds and loads the module of a service that runs in this process, in JavaScript or TypeScript (D34). */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { stackOf } from "../base/thrown.js";
import { callableMethods, type ServiceClass } from "../host/inline.js";
import { loadService as loadFromHref } from "../host/service-module.js";
import { usageFailure } from "./failure.js";

/** The URL of a module that was named on the command line. Throws a usage failure when there is no such file. */
export function moduleUrl(name: string): URL {
  const path = resolve(name);
  if (!existsSync(path)) throw usageFailure(`there is no module ${name} (${path})`);
  return pathToFileURL(path);
}

/**
 * The class of services that `module` has as its default export, and the methods that clients may call on it. Rejects
 * with a usage failure that says what is wrong with the module, or what it threw.
 */
export async function loadService(module: URL): Promise<{ service: ServiceClass; methods: string[] }> {
  try {
    const service = await loadFromHref(module.href);
    return { service, methods: callableMethods(service) };
  } catch (error) {
    if ((error as { name?: unknown } | undefined)?.name === "DuowireError")
      throw usageFailure((error as Error).message);
    throw usageFailure(`${module.pathname} cannot be loaded:\n${withoutOurs(error)}`);
  }
}

/** What a module threw, with its stack as far as that is the module's. */
function withoutOurs(error: unknown): string {
  const stack = stackOf(error);
  const ours = new URL("../", import.meta.url).href;
  return stack
    .split("\n")
    .filter((line) => !line.includes(ours) && !line.includes("(node:internal/"))
    .join("\n");
}
