/** One HTTP request to the wire and the answer to it, as the handlers of routes.ts see it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { wireHeaders } from "../access/identification-notification.js";
import type { ServerCore } from "./core.js";

/** A request, its answer, and what is known of them. */
export interface Exchange {
  readonly core: ServerCore;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The origin that CORS lets read the answer, when the request came from a page elsewhere that may. */
  readonly corsOrigin: string | undefined;
  /** Whether the client's own connection is encrypted. */
  readonly secure: boolean;
  /** Whether the request's body was frames: then a refusal is a frame too. */
  spokeFrames: boolean;
}

/** How long a client may go on sending a body that was refused before its connection is closed. */
const LINGER_MS = 1_000;

/** The head that every answer of the wire has, with the headers of CORS where they are due. */
export function answerHeaders(exchange: Pick<Exchange, "corsOrigin">): Record<string, string> {
  const { corsOrigin } = exchange;
  if (corsOrigin === undefined) return { ...wireHeaders };
  return {
    ...wireHeaders,
    // One of the origins that the server lists, and never with credentials: nothing here is let in by a cookie alone.
    "access-control-allow-origin": corsOrigin,
    "access-control-expose-headers": "Location, Retry-After",
    vary: "Origin",
  };
}

/**
 * Sends a whole answer. When the request's body was not read to its end, the connection is closed after the answer,
 * politely: what still comes is thrown away for a while, so that the answer arrives and is not lost in a reset.
 */
export function sendAnswer(
  exchange: Exchange,
  status: number,
  headers: Record<string, string>,
  body: string | Uint8Array = "",
): void {
  const { request, response, core } = exchange;
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const octets = typeof body === "string" ? Buffer.from(body) : body;
  const whole: Record<string, string> = { ...answerHeaders(exchange), ...headers };
  if (status !== 204) whole["content-length"] = String(octets.length);
  if (request.complete || !hasBody(request)) {
    response.writeHead(status, whole);
    response.end(octets);
    return;
  }
  response.writeHead(status, { ...whole, connection: "close" });
  response.write(octets);
  request.resume();
  const end = () => {
    cancel();
    response.end();
  };
  const cancel = core.settings.clock.after(LINGER_MS, end);
  request.once("end", end).once("close", end);
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}
