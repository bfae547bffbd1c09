/**
 * The door for those who run a server: lists its sessions and ends them, as `duowire ps` and `duowire end` do. It never
 * opens on the server's own port. It is a Unix socket that only the server's user can reach, or a port with a token.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { chmodSync, lstatSync, rmSync } from "node:fs";
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type ListenOptions } from "node:net";
import type { ProcessFigures, ProcessPlace } from "../access/communication-process.js";
import { wireHeaders } from "../access/identification-notification.js";
import { DuowireError } from "../base/errors.js";
import type { Server } from "./server.js";
import type { ServerSession } from "./session-list.js";

/** Where an admin door opens. */
export type AdminDoorOptions =
  /** A Unix socket, mode 0600. A socket that nobody listens at any more is replaced. Keep its folder private, too. */
  | { readonly socketPath: string }
  /** A port (0 for a free one) that asks for `Authorization: Bearer <token>`. Host: 127.0.0.1 unless given. */
  | { readonly port: number; readonly host?: string; readonly token: string };

/** A session as the door shows it. */
export interface AdminSession {
  readonly id: string;
  readonly service: string;
  readonly principal: string | null;
  readonly state: string;
  readonly ageMs: number;
  /** The kind of link that it has now. */
  readonly link: string | null;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly figures: ProcessFigures | null;
  readonly place: ProcessPlace | null;
}

/** What `GET /sessions` answers. */
export interface AdminListing {
  /** The server's fixed address. */
  readonly address: string;
  readonly sessions: readonly AdminSession[];
}

/** An open door. */
export interface AdminDoor {
  /** `unix:<path>`, or the URL of the port. */
  readonly address: string;
  /** Shuts it; a Unix socket's file is removed. */
  close(): Promise<void>;
}

const TOKEN_CHARACTERS_MIN = 32;
const CONNECTIONS_MAX = 16;
const REQUEST_MS_MAX = 5_000;

/**
 * Opens an admin door to `server`: `GET /sessions` is an {@link AdminListing}, `DELETE /sessions/<id>` ends one (204,
 * or 404). Rejects `bad_address` when it cannot listen there, `invalid_argument` for a token of less than 32
 * characters.
 */
export async function openAdminDoor(server: Server, options: AdminDoorOptions): Promise<AdminDoor> {
  if ("token" in options && options.token.length < TOKEN_CHARACTERS_MIN) {
    const advice = `the admin token has less than ${TOKEN_CHARACTERS_MIN} characters: openssl rand -base64 32`;
    throw new DuowireError("invalid_argument", advice, { side: "local" });
  }
  const token = "token" in options ? digest(options.token) : undefined;
  const http = createServer({ headersTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX }, (request, response) =>
    answer(server, token, request, response),
  );
  http.maxConnections = CONNECTIONS_MAX;
  if ("socketPath" in options) await listenAtSocket(http, options.socketPath);
  else await listen(http, { port: options.port, host: options.host ?? "127.0.0.1" });
  return { address: addressOf(http), close: () => close(http) };
}

function answer(
  server: Server,
  token: Uint8Array | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  request.on("error", () => undefined).resume();
  response.on("error", () => undefined);
  const { method = "", url = "" } = request;
  if (token !== undefined && !timingSafeEqual(token, digest(shownToken(request)))) {
    return send(response, 401, { message: "the admin token is missing or wrong" }, { "www-authenticate": "Bearer" });
  }
  if (url === "/sessions") {
    if (method === "GET") return send(response, 200, listing(server));
    return send(response, 405, { message: "only GET is for this address" }, { allow: "GET" });
  }
  const id = /^\/sessions\/([\w.-]+)$/.exec(url)?.[1];
  if (id === undefined) return send(response, 404, { message: "there is no such address" });
  if (method !== "DELETE")
    return send(response, 405, { message: "only DELETE is for this address" }, { allow: "DELETE" });
  if (!server.sessions.end(id, "ended by its operator")) return send(response, 404, { message: "no such session" });
  send(response, 204);
}

function listing({ address, sessions }: Server): AdminListing {
  return { address: address.href, sessions: [...sessions].map(shownSession) };
}

function shownSession(session: ServerSession): AdminSession {
  const { id, service, principal = null, state, linkKind: link = null } = session;
  const ageMs = Math.round(session.ageMs);
  const { remoteAddress, localAddress, figures = null, place = null } = session;
  return { id, service, principal, state, ageMs, link, remoteAddress, localAddress, figures, place };
}

function send(response: ServerResponse, status: number, body?: object, headers: Record<string, string> = {}): void {
  const type = { "content-type": "application/json" };
  response.writeHead(status, { ...wireHeaders, ...(body && type), ...headers });
  response.end(body && `${JSON.stringify(body)}\n`);
}

function shownToken({ headers }: IncomingMessage): string {
  const [scheme = "", token = ""] = (headers.authorization ?? "").split(" ");
  return scheme.toLowerCase() === "bearer" ? token : "";
}

/** Digests have one length, so that comparing them tells nothing of the token's. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

async function listenAtSocket(http: HttpServer, path: string): Promise<void> {
  if (await isLeftOver(path)) rmSync(path, { force: true });
  await listen(http, { path });
  chmodSync(path, 0o600);
}

/** Whether there is a socket that nobody listens at: its server was killed. Throws `bad_address` for any other file. */
function isLeftOver(path: string): Promise<boolean> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file !== undefined && !file.isSocket()) {
    const message = `cannot open the admin door at ${path}: there is something that is no socket; choose another path`;
    throw new DuowireError("bad_address", message, { side: "local" });
  }
  return new Promise((resolve) => {
    const socket = connect(path);
    socket
      .once("connect", () => resolve(false))
      .once("error", (error: NodeJS.ErrnoException) => {
        resolve(error.code === "ECONNREFUSED");
      });
    socket.once("connect", () => socket.destroy());
  });
}

function listen(http: HttpServer, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const place = where.path ?? `port ${where.port}`;
      const message = `cannot open the admin door at ${place} (${error.code ?? error.message})`;
      reject(new DuowireError("bad_address", message, { cause: error, side: "local" }));
    };
    http.once("error", fail);
    http.listen(where, () => {
      http.off("error", fail);
      http.on("error", () => undefined);
      resolve();
    });
  });
}

function addressOf(http: HttpServer): string {
  const address = http.address();
  if (typeof address === "string" || address === null) return `unix:${address}`;
  const host = address.address.includes(":") ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}

function close(http: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    http.close(() => resolve());
    http.closeAllConnections();
  });
}
