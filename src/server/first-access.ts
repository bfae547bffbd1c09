/** The first access at the fixed address (source: S1 to S4), in both forms: with frames, and in JSON. */
import { WAITING_RETRY_MS } from "../access/access-acceptance.js";
import { LocalAddress } from "../access/connection-address.js";
import { notificationHeaders, notificationJson } from "../access/identification-notification.js";
import { DuowireError } from "../base/errors.js";
import { AccessLink } from "./access-link.js";
import { clientAddress } from "./client-address.js";
import { type Exchange, sendAnswer } from "./exchange.js";
import { refuse } from "./refusals.js";
import { isFrames, readAccess, readBody } from "./request-reading.js";

/** `POST` at the fixed address: 201 with the new identification, or a refusal. */
export async function answerAccess(exchange: Exchange, query: string): Promise<void> {
  const { core, request } = exchange;
  const { settings, secrets } = core;
  const body = await readBody(request, settings.limits, settings.clock);
  exchange.spokeFrames = isFrames(body);
  const cameMs = settings.clock.monotonicMs();
  const access = readAccess(body);
  const { localAddress = "", localPort = 0 } = request.socket;
  // Kept exactly as they arrived at the socket, whatever the Host header says (D3).
  const arrivedAt = new LocalAddress(localAddress, localPort, settings.address.id);
  const asked = {
    localAddress: arrivedAt.toString(),
    remoteAddress: clientAddress(request, settings.trustProxy),
    headers: request.headers,
    query,
  };
  const accepting = core.accept(access, asked, (id) => arrivedAt.generate(id).toString());
  const process = await core.waitingAccesses.wait(access.nonce, accepting);
  if (process === undefined) return refuse(exchange, isWaitedFor());
  const { id, key } = process.access;
  if (access.frame !== undefined) {
    const head = { status: 201, headers: notificationHeaders(id) } as const;
    const heldMs = Math.round(settings.clock.monotonicMs() - cameMs);
    const link = new AccessLink(exchange, head, access.early, access.frame.roundTripMs);
    process.accept(link, { ...access.frame, heldMs });
    return;
  }
  const { leaseMs, links, limits } = core.grounds;
  const notification = { id, key, leaseMs, links, admission: secrets.admission(id, 0), limits };
  const headers = { ...notificationHeaders(id), "content-type": "application/json" };
  sendAnswer(exchange, 201, headers, notificationJson(notification));
}

/** Not told to the server's program: nothing is refused to this client. */
function isWaitedFor(): DuowireError {
  const message = "the process of this access is being made, and a later repeat of it waits for that";
  return new DuowireError("server_busy", message, { retryAfterMs: WAITING_RETRY_MS });
}

/** Any other method at the fixed address: what this address is, for a person who looked at it. */
export function describeAddress(exchange: Exchange): void {
  const message =
    "This is the fixed connection address of a duowire server. A program accesses it by POST and is notified of an " +
    "address of its own, where a communication process waits for it. There is no page here.";
  const asksForJson = exchange.request.headers.accept?.includes("application/json") ?? false;
  const type = asksForJson ? "application/json" : "text/plain; charset=utf-8";
  const body = asksForJson ? JSON.stringify({ code: "method_not_allowed", message }) : message;
  sendAnswer(exchange, 405, { allow: "POST, OPTIONS", "content-type": type }, `${body}\n`);
}

/** The question that a browser asks before a request from a page elsewhere; only a listed origin comes this far. */
export function answerPreflight(exchange: Exchange): void {
  const methods = "POST, DELETE";
  const cors: Record<string, string> =
    exchange.corsOrigin === undefined
      ? {}
      : {
          "access-control-allow-methods": methods,
          "access-control-allow-headers": "authorization, content-type",
          "access-control-max-age": "7200",
        };
  sendAnswer(exchange, 204, { allow: `${methods}, OPTIONS`, ...cors });
}
