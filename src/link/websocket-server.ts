/** A link over a WebSocket that the server accepted: `ws`, by its own events, which cost less than the browser's. */
import { type ServerOptions, WebSocket, WebSocketServer } from "ws";
import { WRITE_BYTES_MAX } from "../frame/limits.js";
import type { Link, LinkEvents } from "../frame/link.js";
import { SlowStart } from "./slow-start.js";
import { asciiReason, SUBPROTOCOL } from "./websocket.js";

/** Room for what one write carries besides its octets: nothing now, reserved for later. */
const PAYLOAD_MARGIN_BYTES = 65_536;
/** How long a client may take to confirm the end of a link: one that a path has swallowed never does. */
const CLOSE_MS_MAX = 1_000;

const NORMAL_CLOSURE = 1_000;
const UNSUPPORTED_DATA = 1_003;
const ABNORMAL_CLOSURE = 1_006;

/** What finishes the handshakes of upgrades that were let in, wherever that is. */
export function webSocketAcceptor(): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: WRITE_BYTES_MAX + PAYLOAD_MARGIN_BYTES,
    handleProtocols: () => SUBPROTOCOL,
    closeTimeout: CLOSE_MS_MAX,
  } as ServerOptions);
}

/** The link over a WebSocket whose handshake is done. */
export function acceptWebSocket(socket: WebSocket): Link {
  return new AcceptedWebSocketLink(socket);
}

class AcceptedWebSocketLink implements Link {
  readonly kind = "websocket";
  private failure: string | undefined;
  private readonly acceptedAt = performance.now();
  private readonly writes = new SlowStart((octets) => this.write(octets));

  constructor(private readonly socket: WebSocket) {
    socket.on("error", (error) => {
      this.failure = error.message;
    });
  }

  get queuedBytes(): number {
    return this.socket.bufferedAmount + this.writes.queuedBytes;
  }

  listen(events: LinkEvents): void {
    this.socket.on("message", (data: Buffer, isBinary) => {
      // A client speaks as soon as it hears that the link is open: that is one round trip.
      if (!this.writes.hasBegun) this.writes.begin(performance.now() - this.acceptedAt);
      if (isBinary) events.receive(data);
      else this.socket.close(UNSUPPORTED_DATA, "octets are expected, not text");
    });
    this.socket.on("close", (code, reason) => {
      const said = this.failure ?? (reason.toString() || `the WebSocket was closed with code ${code}`);
      events.closed(said, code === ABNORMAL_CLOSURE ? "lost" : "answered");
    });
  }

  send(octets: Uint8Array): void {
    this.writes.send(octets);
  }

  private write(octets: Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(octets);
  }

  close(reason: string): void {
    this.writes.flush();
    this.socket.close(NORMAL_CLOSURE, asciiReason(reason));
  }
}
