/**
 * The upgrade to a WebSocket, at the address of a process only. Origin and host come first, then the admission token
 * of the subprotocol list, then the handshake, then the process, which still wants the key in its first frame (D27).
 * A process of its own takes the socket before the handshake, and finishes that itself.
 */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import type { CommunicationProcess } from "../access/communication-process.js";
import { wireHeaders } from "../access/identification-notification.js";
import { DuowireError } from "../base/errors.js";
import { resumeReading, stopReading } from "../host/socket-hand-off.js";
import { ADMISSION_PREFIX, SUBPROTOCOL } from "../link/websocket.js";
import { webSocketAcceptor } from "../link/websocket-server.js";
import { clientAddress } from "./client-address.js";
import type { ServerCore } from "./core.js";
import { checkNode } from "./holder.js";
import { checkOrigin, shown } from "./origins.js";
import { refusalAnswer, refusalOf, sessionUnknown } from "./refusals.js";
import { badRequest, checkHead } from "./request-reading.js";
import { placeOf } from "./request-target.js";

/** How long a refused client may take to read its refusal. */
const REFUSED_MS_MAX = 1_000;

/** Takes the upgrades of one server, and knows the sockets that it upgraded. */
export class UpgradeAcceptor {
  readonly #core: ServerCore;
  readonly #sockets = new Set<Duplex>();
  readonly #webSockets: WebSocketServer;

  constructor(core: ServerCore) {
    this.#core = core;
    this.#webSockets = webSocketAcceptor();
    this.#webSockets.on("wsClientError", (error, socket, request) => {
      this.#refuse(request, socket, badRequest(`the WebSocket handshake is malformed: ${error.message}`));
    });
  }

  /** The one guarded entry: whatever is wrong, the socket is answered and closed, and nothing is thrown. */
  async receive(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Before anything is awaited: the socket may belong to another process soon.
    stopReading(socket);
    socket.on("error", () => socket.destroy());
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    let isUpgraded = false;
    try {
      const process = await this.#admit(request);
      if (socket.destroyed) return;
      const { method = "GET", url = "", headers } = request;
      if (process.acceptUpgrade?.({ socket, head, method, url, headers })) return;
      resumeReading(socket);
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        isUpgraded = true;
        process.accept(this.#core.parts.acceptWebSocket(webSocket));
      });
    } catch (error) {
      if (!isUpgraded) return this.#refuse(request, socket, error);
      this.#core.observer.failed(error);
      socket.destroy();
    }
  }

  /** Closes what is still open; for the end of the server. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #admit(request: IncomingMessage): Promise<CommunicationProcess> {
    const { settings, onLoopback, processes } = this.#core;
    checkHead(request);
    const encrypted = "encrypted" in request.socket;
    checkOrigin(request.headers, { ...settings, onLoopback, encrypted });
    const place = placeOf(request.url ?? "", settings);
    if (place.kind === "invalid") throw badRequest("the request's target is none");
    if (place.kind === "fixed") {
      const advice = "upgrades are for the address of a session; the fixed address takes a POST first";
      throw new DuowireError("session_unknown", advice);
    }
    if (place.kind !== "session") throw sessionUnknown();
    checkNode(this.#core, place.id);
    const admission = namedAdmission(request);
    const generation = processes.get(place.id);
    if (admission === undefined || generation === undefined) throw sessionUnknown();
    const process = await generation.ready.catch(() => undefined);
    if (!process?.admits(admission)) throw sessionUnknown();
    processes.heard(place.id);
    return process;
  }

  #refuse(request: IncomingMessage, socket: Duplex, error: unknown): void {
    const { settings, observer } = this.#core;
    const refusal = refusalOf(error);
    if (refusal !== error) observer.failed(error);
    const from = { remoteAddress: clientAddress(request, settings.trustProxy), target: shown(request.url) };
    observer.refused(refusal, from);
    const { status, headers, body } = refusalAnswer(refusal);
    const length = String(Buffer.byteLength(body));
    const all = { ...wireHeaders, ...headers, connection: "close", "content-length": length };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    // Read on, so that the client's close is seen; and an end to it in any case.
    resumeReading(socket);
    socket.resume();
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
    const cancel = settings.clock.after(REFUSED_MS_MAX, () => socket.destroy());
    socket.once("close", cancel);
  }
}

/** The admission token in the list of subprotocols, if our own subprotocol is there too. */
function namedAdmission({ headers }: IncomingMessage): string | undefined {
  const names = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const tokens = names.filter((name) => name.startsWith(ADMISSION_PREFIX));
  if (!names.includes(SUBPROTOCOL) || tokens.length !== 1) return undefined;
  return tokens[0]?.slice(ADMISSION_PREFIX.length);
}
