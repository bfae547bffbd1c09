/** The desk as a server: the page and the wire on one port. */
import { createServer, type Server as HttpServer } from "node:http";
import { fileURLToPath } from "node:url";
import { DuowireError, RemoteError } from "duowire";
import { attach, type Server } from "duowire/server";
import sirv from "sirv";
import { samples } from "./samples.js";
import { Desk } from "./service/desk.js";
import { DeskError } from "./service/desk-error.js";

/** Where the desk listens. */
export interface DeskPlace {
  readonly host: string;
  readonly port: number;
}

/** A desk that is open. */
export interface OpenDesk {
  /** The page, for a browser. */
  readonly pageHref: string;
  /** The fixed connection address, for programs. */
  readonly address: string;
  readonly server: Server;
  /** Ends all sessions and listens no more. */
  close(): Promise<void>;
}

/** Opens the desk. Rejects with an error in plain words when it cannot listen there. */
export async function openDesk({ host, port }: DeskPlace): Promise<OpenDesk> {
  const pageFolder = fileURLToPath(new URL("./page/", import.meta.url));
  const pages = sirv(pageFolder, { etag: true });
  const sampleFiles = sirv(samples.folder, { etag: true });
  const httpServer = createServer((request, response) => {
    const [path = "/"] = (request.url ?? "/").split("?");
    const serve = samples.files.some(({ file }) => path === `/${file}`) ? sampleFiles : pages;
    serve(request, response, () => {
      response.writeHead(404).end("There is nothing here. The desk's page is at /\n");
    });
  });
  const server = attach(httpServer, { address: "/WAO", service: Desk, onError: tellFault });
  await listen(httpServer, { host, port });
  const listening = httpServer.address();
  const realPort = typeof listening === "object" && listening ? listening.port : port;
  const shown = host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host;
  const pageHref = `http://${shown}:${realPort}/`;
  return {
    pageHref,
    address: `${pageHref}WAO`,
    server,
    async close() {
      await server.close();
      httpServer.closeAllConnections();
      await new Promise<void>((resolve) => httpServer.close(() => resolve()));
    },
  };
}

/** What the desk refuses, what its client throws and what ends with a session is the client's; only the rest is news here. */
function tellFault(error: unknown): void {
  const isExpected = [DeskError, DuowireError, RemoteError].some((kind) => error instanceof kind);
  if (!isExpected) console.error("The desk failed:", error);
}

function listen(httpServer: HttpServer, { host, port }: DeskPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    httpServer.once("error", (error: NodeJS.ErrnoException) => reject(new Error(cannotListen(error, host, port))));
    httpServer.listen(port, host, resolve);
  });
}

function cannotListen({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} of ${host} is taken by another program. Take another port: PORT=${port + 1} npm start`,
    EACCES: `Port ${port} is not for ordinary users. Take one above 1023: PORT=9000 npm start`,
    EADDRNOTAVAIL: `This machine has no address ${host}. Try HOST=127.0.0.1, or HOST=0.0.0.0 for all of its addresses.`,
    ENOTFOUND: `There is no host named ${host}. Try HOST=127.0.0.1.`,
  };
  return reasons[code ?? ""] ?? `The desk cannot listen at ${host}, port ${port}: ${message}`;
}
