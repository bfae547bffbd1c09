/** Where services run, by the name that `--host` takes. One row each. */
import type { ProcessHost, ServiceClass } from "../server/index.js";
import { loadService } from "./service-module.js";

/** A service as it is served, and what is printed of it. */
export interface PreparedService {
  readonly service: ServiceClass | ProcessHost;
  readonly methods: readonly string[];
}

/** What `--host` and the options beside it say. */
export interface HostOptions {
  /** `--pool`: threads or processes that are started ahead. */
  readonly pool: number | undefined;
}

/** Makes a service of a module. Rejects with a usage failure when the module cannot be served. */
export type PrepareService = (module: URL, options: HostOptions) => Promise<PreparedService>;

/** The hosts. */
export const hosts: Readonly<Record<string, PrepareService>> = {
  inline: (module) => loadService(module),
};
