/**
 * Hypertext: the process answers plain HTTP below its address (M4). A request is let in by the cookie that the door
 * set, or by a signed URL; the key itself is never in a cookie or a URL (D26).
 */

import { NodeRequest, sendNodeResponse } from "srvx/node";
import type { CommunicationProcess } from "../access/communication-process.js";
import { wireHeaders } from "../access/identification-notification.js";
import { DuowireError } from "../base/errors.js";
import { type Exchange, sendAnswer } from "./exchange.js";
import { checkNode, processFor } from "./holder.js";
import { refuse, sessionUnknown } from "./refusals.js";
import { readBody, shownKey } from "./request-reading.js";

/** What hypertext is sent with unless the service says otherwise. */
const hypertextHeaders: Readonly<Record<string, string>> = {
  ...wireHeaders,
  "cache-control": "private, no-store",
  // Sessions of one origin must not reach into each other: a page gets an origin of its own.
  "content-security-policy": "sandbox allow-scripts allow-forms",
};

/** What belongs to the connection, not to the answer, and is not the service's to say. */
const CONNECTION_HEADERS = ["connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "te"];

/** `POST <address>/door` with the key: the cookie that opens the hypertext, for as long as the lease. */
export async function openDoor(exchange: Exchange, id: string): Promise<void> {
  const { core, request } = exchange;
  const body = await readBody(request, core.settings.limits, core.settings.clock);
  await processFor(core, id, shownKey(request, body));
  const maxAgeSeconds = Math.ceil(core.settings.leaseMs / 1_000);
  sendAnswer(exchange, 204, { "set-cookie": doorCookie(exchange, id, core.secrets.doorToken(id), maxAgeSeconds) });
}

/** `DELETE <address>/door`: takes the cookie back. Needs no key, since it only ever shuts the sender's own door. */
export function closeDoor(exchange: Exchange, id: string): void {
  sendAnswer(exchange, 204, { "set-cookie": doorCookie(exchange, id, "", 0) });
}

/** Any request below the address of a process. */
export async function answerHypertext(exchange: Exchange, id: string, path: string): Promise<void> {
  const { core, request } = exchange;
  checkNode(core, id);
  const admitted = admittedPath(exchange, id, path);
  if (admitted === undefined) throw sessionUnknown();
  const generation = core.processes.get(id);
  if (generation === undefined) {
    refuse(exchange, new DuowireError("session_ended"), { "set-cookie": doorCookie(exchange, id, "", 0) });
    return;
  }
  // What the service is shown is neither the signature nor the form that a proxy wrote the target in.
  request.url = `${core.settings.address.prefix}/${id}${admitted}`;
  await fetchFromProcess(exchange, await generation.ready);
}

async function fetchFromProcess(exchange: Exchange, process: CommunicationProcess): Promise<void> {
  const { core, request, response } = exchange;
  const { trustProxy } = core.settings;
  const answer = await process.fetch(new NodeRequest({ req: request, res: response, trustProxy }));
  if (response.destroyed) {
    await answer.body?.cancel();
    return;
  }
  await sendNodeResponse(response, withOurHeaders(answer));
}

/** The service's answer with the defaults that it did not override, and without what is not its to say. */
function withOurHeaders({ body, status, statusText, headers: given }: Response): Response {
  const headers = new Headers(given);
  for (const [name, value] of Object.entries(hypertextHeaders)) if (!headers.has(name)) headers.set(name, value);
  for (const name of CONNECTION_HEADERS) headers.delete(name);
  return new Response(body, { status, statusText, headers });
}

/** The path that the service sees; undefined when neither a cookie nor a signature lets the request in. */
function admittedPath({ core, request }: Exchange, id: string, path: string): string | undefined {
  const { method = "GET", headers } = request;
  const name = cookieName(id);
  for (const cookie of (headers.cookie ?? "").split(";")) {
    const equals = cookie.indexOf("=");
    if (equals < 0 || cookie.slice(0, equals).trim() !== name) continue;
    if (core.secrets.doorTokenFits(id, cookie.slice(equals + 1).trim())) return path;
  }
  return core.secrets.signedPath(id, method, path, core.settings.clock.wallMs());
}

/**
 * Without a Path: a browser then takes the public path of the session, behind whatever prefix a proxy has. The name
 * has the identification in it, so that several sessions of one origin never share a cookie.
 */
function doorCookie(exchange: Exchange, id: string, token: string, maxAgeSeconds: number): string {
  const secure = exchange.secure ? "; Secure" : "";
  return `${cookieName(id)}=${token}; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure}`;
}

function cookieName(id: string): string {
  return `duowire-door-${id}`;
}
