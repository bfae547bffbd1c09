/** What a carrier runs, and with which flags of Node. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { CarrierKind } from "./carrier.js";

/** Flags that are for one process only: two debuggers cannot listen at one port, and code would run twice. */
const OWN_FLAGS = /^--?(inspect|e$|eval|p$|print|input-type|test|watch)/;

/** In a checkout that runs its sources, such as in our own tests. */
const isSource = import.meta.url.endsWith(".ts");

/** The program of carried-main.ts: as it was built, or as it was written. */
export function carrierProgram(kind: CarrierKind): URL {
  const main = new URL(isSource ? "./carried-main.ts" : "./carried-main.js", import.meta.url);
  if (!isSource || kind === "process") return main;
  // Node 20 does not heed --import in a worker.
  const code = `import { register } from "${tsxNear(import.meta.url).href}"; register(); await import("${main.href}");`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}

/**
 * Flags of Node for a carrier: `given`, or those of this process that make sense there. A thread has those of its
 * process without being told; many are refused when it is, such as all of V8's.
 */
export function carrierFlags(kind: CarrierKind, given: readonly string[] | undefined): string[] | undefined {
  if (kind === "thread" && given === undefined && !isSource) return undefined;
  const own = kind === "thread" ? [] : process.execArgv.filter((flag) => !OWN_FLAGS.test(flag));
  const flags = given ?? own;
  if (!isSource) return [...flags];
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return [...flags, "--conditions=duowire-source", "--import", loader];
}

/** The module of `tsx` that runs TypeScript, looked up from the place of the module `href`. Throws if there is none. */
export function tsxNear(href: string): URL {
  // The file beside it is the same for `require`, which finds nothing in a worker.
  return new URL("index.mjs", pathToFileURL(createRequire(href).resolve("tsx/esm/api")));
}
