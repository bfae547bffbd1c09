/**
 * The host that runs a service in the server's own process: the least isolation, and the least cost. Code that blocks
 * or crashes there blocks or crashes the server.
 */
import type { ProcessHost } from "../access/communication-process.js";
import { methodsOfClass } from "../rpc/method-table.js";
import type { Service } from "../rpc/service.js";
import { type ProcessOptions, ServiceProcess } from "./service-process.js";

/** A class of services: one instance is made for each access. */
export type ServiceClass = new () => Service<never>;

/** The names of the methods that a client may call on this class, in order (D18). Throws as {@link inline} does. */
export function callableMethods(service: ServiceClass): string[] {
  return [...methodsOfClass(service).keys()].sort();
}

/** Runs a class in the server's own process. Throws `invalid_argument` at once when its methods break the rules. */
export function inline(service: ServiceClass, options: ProcessOptions = {}): ProcessHost {
  methodsOfClass(service);
  return {
    async generate(access, grounds) {
      const process = new ServiceProcess(access, grounds, options);
      await process.start(service);
      return process;
    },
  };
}
