/** The public entry `duowire/server`: how a program gets a server, and what it can ask it. */
import type { Server as HttpServer } from "node:http";
import { parts } from "./parts.js";
import { attachWith, serveWith } from "./serve.js";
import type { Server } from "./server.js";
import type { ServerOptions } from "./settings.js";

export { type AddressGenerator, type IdOwner, randomIds, sequentialIds } from "../access/address-generation.js";
export type { CarrierEndCause, CarrierReport } from "../access/carrier-report.js";
export type {
  Access,
  CommunicationProcess,
  ProcessFigures,
  ProcessGrounds,
  ProcessHost,
  ProcessPlace,
} from "../access/communication-process.js";
export type { ConnectionAddress } from "../access/connection-address.js";
export { DuowireError, type ErrorCode } from "../base/errors.js";
export { type CarriedOptions, childProcess, workerThread } from "../host/carried.js";
export type { CarrierLimits } from "../host/carrier-limits.js";
export type { SupervisionOptions } from "../host/carrier-settings.js";
export {
  type AdminDoor,
  type AdminDoorOptions,
  type AdminListing,
  type AdminSession,
  openAdminDoor,
} from "./admin-door.js";
export { type AnswerWithFile, type FilesOptions, files } from "./files.js";
export type { Group, GroupEvents } from "./group.js";
export type { CloseOptions, FailedCall, Server, ServerEvents } from "./server.js";
export type { ServerSession, SessionList } from "./session-list.js";
export type { AskedAccess, Authorization, ServerLimits, ServerOptions, ServiceClass } from "./settings.js";

/**
 * Serves at `options.address`, with an HTTP server of its own on that one port. Settles when it listens; the server's
 * `address` then has the real port. Rejects `bad_address` when it cannot listen there (the message says what to do),
 * and `invalid_argument` when an option is not what it should be.
 *
 * ```ts
 * const server = await serve({ address: "http://0.0.0.0:9000/WAO", service: Desk });
 * ```
 */
export function serve<Service extends object>(options: ServerOptions<Service>): Promise<Server<Service>> {
  return serveWith(parts, options);
}

/**
 * Serves on an HTTP or HTTPS server that the program has. Takes from it only the fixed address (`/WAO`) and the
 * addresses of its processes; every other request and upgrade goes to the server's other listeners as before, whenever
 * they were added. `close()` gives everything back and leaves the HTTP server running. Throws like `serve` rejects.
 *
 * ```ts
 * const server = attach(httpServer, { address: "/WAO", service: Desk });
 * ```
 */
export function attach<Service extends object>(
  httpServer: HttpServer,
  options: ServerOptions<Service>,
): Server<Service> {
  return attachWith(parts, httpServer, options);
}
