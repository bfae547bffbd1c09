/** How a program gets a server: one of its own, or on an HTTP server that it has. */
import { createServer, type Server as HttpServer } from "node:http";
import type { Duplex } from "node:stream";
import { wireHeaders } from "../access/identification-notification.js";
import { DuowireError } from "../base/errors.js";
import type { ServerParts } from "./core.js";
import { Server } from "./server.js";
import { readSettings, type ServerOptions, type Settings } from "./settings.js";

/** The message of each way in which listening fails: what happened, what it means, what to do. */
const listenAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there already; end it, or choose another port",
  EADDRNOTAVAIL: "this machine has no such address; use one of its own, or 0.0.0.0 for all of them",
  ENOTFOUND: "the host name has no address; use an IP address of this machine, or 0.0.0.0 for all of them",
  EACCES: "this user may not listen there; choose a port above 1023",
};

/** Listens at `options.address` with an HTTP server of its own; see `serve` of the public entry. */
export async function serveWith<Service extends object>(
  parts: ServerParts,
  options: ServerOptions<Service>,
): Promise<Server<Service>> {
  const settings = readSettings(options, true);
  const httpServer = createServer({
    headersTimeout: settings.limits.headTimeoutMs,
    // How long a whole request may take is each handler's business: an upload to a service may take hours.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(settings.limits.headTimeoutMs, 1_000),
  });
  httpServer.on("clientError", answerClientError);
  const server = new Server<Service>(httpServer, settings, parts);
  await listen(httpServer, settings).catch(async (error: unknown) => {
    // Threads and processes that wait for sessions would keep the program from ending.
    await server.close();
    throw error;
  });
  return server;
}

/** Takes its addresses from an HTTP server that the program has; see `attach` of the public entry. */
export function attachWith<Service extends object>(
  parts: ServerParts,
  httpServer: HttpServer,
  options: ServerOptions<Service>,
): Server<Service> {
  return new Server<Service>(httpServer, readSettings(options, false), parts);
}

function listen(httpServer: HttpServer, { address }: Settings): Promise<void> {
  const host = address.host.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const advice = listenAdvice[error.code ?? ""] ?? error.message;
      const message = `cannot listen at ${address.host} port ${address.port} (${error.code}): ${advice}`;
      reject(new DuowireError("bad_address", message, { cause: error, side: "local" }));
    };
    httpServer.once("error", fail);
    httpServer.listen(address.port, host, () => {
      httpServer.off("error", fail);
      // From here on an error is one of accepting a connection, such as too many open files: the next may do.
      httpServer.on("error", () => undefined);
      resolve();
    });
  });
}

/** A request that Node could not parse, or that took too long: answered as far as it can be, then closed. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = clientErrorStatus.get(error.code ?? "") ?? "400 Bad Request";
  const body = `${JSON.stringify({ code: "bad_request", message: "the request cannot be read as HTTP" })}\n`;
  const headers = {
    ...wireHeaders,
    "content-type": "application/json",
    "content-length": String(body.length),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${body}`, () => socket.destroy());
}

const clientErrorStatus = new Map([
  ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"],
]);
