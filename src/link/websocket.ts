/**
 * A link over a WebSocket that this side opens (RFC 6455): a browser's, or the one of `ws` in Node; `#websocket` is
 * whichever the platform has. Each write is one binary message of whole frames.
 */

import { openWebSocket } from "#websocket";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import { SlowStart } from "./slow-start.js";

/** The subprotocol of this version of the wire, and the only one that is ever selected. */
export const SUBPROTOCOL = "duowire.1";
/** In front of the admission token, which travels as a second "subprotocol": a browser can send nothing else (D27). */
export const ADMISSION_PREFIX = "duowire.admission.";

/** The part of the WebSocket interface that is used; both platforms have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

const OPEN = 1;
const NORMAL_CLOSURE = 1_000;
/** The close code that a platform makes up when the connection broke without a word. */
const ABNORMAL_CLOSURE = 1_006;
const REASON_CHARACTERS_MAX = 40;

/** Opens a link to `href` (ws: or wss:), naming the admission token. Never throws: what goes wrong closes the link. */
export function openWebSocketLink(href: string, admission: string): Link {
  try {
    return new WebSocketLink(openWebSocket(href, [SUBPROTOCOL, ADMISSION_PREFIX + admission]));
  } catch (error) {
    return new ForbiddenLink(String((error as Error)?.message ?? error));
  }
}

/** A link that never was: some browsers throw where a page's Content-Security-Policy lets it open no WebSocket. */
class ForbiddenLink implements Link {
  readonly kind = "websocket";
  readonly queuedBytes = 0;

  constructor(private readonly reason: string) {}

  listen(events: LinkEvents): void {
    queueMicrotask(() => events.closed(this.reason, "answered"));
  }

  send(): void {}
  close(): void {}
}

class WebSocketLink implements Link {
  readonly kind = "websocket";
  private failure: { reason: string; end: LinkEnd } | undefined;
  private readonly startedAt = performance.now();
  private readonly writes = new SlowStart((octets) => this.write(octets));

  constructor(private readonly socket: WebSocketLike) {
    socket.binaryType = "arraybuffer";
  }

  get queuedBytes(): number {
    return this.socket.bufferedAmount + this.writes.queuedBytes;
  }

  listen(events: LinkEvents): void {
    const { socket } = this;
    socket.onopen = () => {
      // With the handshake of its connection it took two round trips, without it one.
      this.writes.begin((performance.now() - this.startedAt) / 2);
      events.opened();
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (data instanceof ArrayBuffer) events.receive(new Uint8Array(data));
      else this.close("a text message on a link of octets");
    };
    socket.onerror = (event: { message?: string; error?: { code?: string } }) => {
      this.failure ??= { reason: event.message ?? "the WebSocket failed", end: endOf(event) };
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      const { failure } = this;
      if (failure !== undefined) events.closed(failure.reason, failure.end);
      else
        events.closed(
          reason || `the WebSocket was closed with code ${code}`,
          code === ABNORMAL_CLOSURE ? "lost" : "answered",
        );
    };
  }

  send(octets: Uint8Array): void {
    if (this.socket.readyState === OPEN) this.writes.send(octets);
  }

  private write(octets: Uint8Array): void {
    if (this.socket.readyState === OPEN) this.socket.send(octets as Uint8Array<ArrayBuffer>);
  }

  close(reason: string): void {
    this.writes.flush();
    this.socket.close(NORMAL_CLOSURE, asciiReason(reason));
  }
}

/** A close frame holds 123 octets of reason; nobody reads more than the beginning. */
export function asciiReason(reason: string): string {
  return reason.replace(/[^\x20-\x7e]/g, "?").slice(0, REASON_CHARACTERS_MAX);
}

/** Only Node says why a connection failed; a browser keeps it to itself, on purpose. */
function endOf(event: { message?: string; error?: { code?: string } }): LinkEnd {
  if (event.error?.code === "ECONNREFUSED") return "refused";
  return event.message?.startsWith("Unexpected server response") ? "answered" : "lost";
}
