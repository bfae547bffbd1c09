/** Where services run, by the name that `--host` takes. One row each. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { childProcess, type ProcessHost, type ServiceClass, workerThread } from "../server/index.js";
import { usageFailure } from "./failure.js";
import { loadService } from "./service-module.js";

/** A service as it is served, and what is printed of it. */
export interface PreparedService {
  readonly service: ServiceClass | ProcessHost;
  readonly methods: readonly string[];
}

/** What `--host` and the options beside it say. */
export interface HostOptions {
  /** `--pool`: threads or processes that all sessions share; 0 gives each session one of its own. */
  readonly pool: number | undefined;
}

/** Makes a service of a module. Rejects with a usage failure when the module cannot be served. */
export type PrepareService = (module: URL, options: HostOptions) => Promise<PreparedService>;

/** The hosts. */
export const hosts: Readonly<Record<string, PrepareService>> = {
  inline: (module) => loadService(module),
  thread: async (module, options) => ({ service: workerThread(module, given(options)), methods: await look(module) }),
  process: async (module, options) => ({ service: childProcess(module, given(options)), methods: await look(module) }),
};

const program = fileURLToPath(new URL("./show-methods.js", import.meta.url));

function given({ pool }: HostOptions): { pool?: number } {
  return pool === undefined ? {} : { pool };
}

/**
 * The methods of a module that this process does not load: what its code does when it is loaded is for the threads or
 * processes that serve it. A program looks at it and ends.
 */
async function look(module: URL): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, program, module.href]);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as string[];
  } catch (error) {
    throw usageFailure(((error as { stderr?: string }).stderr ?? String(error)).trim());
  }
}
