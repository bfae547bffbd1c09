/** A link over a WebSocket that the server accepted: `ws`, by its own events, which cost less than the browser's. */
import { WebSocket } from "ws";
import type { Link, LinkEvents } from "../frame/link.js";
import { asciiReason } from "./websocket.js";

const NORMAL_CLOSURE = 1_000;
const UNSUPPORTED_DATA = 1_003;
const ABNORMAL_CLOSURE = 1_006;

/** The link over a WebSocket whose handshake is done. */
export function acceptWebSocket(socket: WebSocket): Link {
  return new AcceptedWebSocketLink(socket);
}

class AcceptedWebSocketLink implements Link {
  readonly kind = "websocket";
  private failure: string | undefined;

  constructor(private readonly socket: WebSocket) {
    socket.on("error", (error) => {
      this.failure = error.message;
    });
  }

  get queuedBytes(): number {
    return this.socket.bufferedAmount;
  }

  listen(events: LinkEvents): void {
    this.socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) events.receive(data);
      else this.socket.close(UNSUPPORTED_DATA, "octets are expected, not text");
    });
    this.socket.on("close", (code, reason) => {
      const said = this.failure ?? (reason.toString() || `the WebSocket was closed with code ${code}`);
      events.closed(said, code === ABNORMAL_CLOSURE ? "lost" : "answered");
    });
  }

  send(octets: Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(octets);
  }

  close(reason: string): void {
    this.socket.close(NORMAL_CLOSURE, asciiReason(reason));
  }
}
