/** The WebSocket of a browser (or of another platform that has it built in). */
import type { WebSocketLike } from "./websocket.js";

/** Opens a WebSocket; whatever goes wrong is told by its events. */
export function openWebSocket(href: string, protocols: string[]): WebSocketLike {
  return new WebSocket(href, protocols) as unknown as WebSocketLike;
}
