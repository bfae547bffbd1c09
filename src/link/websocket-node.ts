/** The WebSocket of `ws`, for Node: Node 20 has none of its own, and this one says why a connection failed. */
import "../base/meanings.js";
import { type ClientOptions, WebSocket } from "ws";
import { WRITE_BYTES_MAX } from "../frame/limits.js";
import { connectionsTo } from "./connections-node.js";
import type { WebSocketLike } from "./websocket.js";

/** How long a close handshake may take before the connection is ended without it. */
const CLOSE_MS = 1_000;

const options = {
  perMessageDeflate: false,
  maxPayload: WRITE_BYTES_MAX,
  closeTimeout: CLOSE_MS,
} as ClientOptions;

/** Opens a WebSocket; whatever goes wrong is told by its events. */
export function openWebSocket(href: string, protocols: string[]): WebSocketLike {
  const connections = connectionsTo(new URL(href));
  const createConnection = () => connections.take();
  return new WebSocket(href, protocols, { ...options, createConnection } as ClientOptions) as unknown as WebSocketLike;
}
