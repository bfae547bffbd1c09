/** Which handler answers which method at which place, and the one guarded entry that every request comes in by. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { clientAddress } from "./client-address.js";
import type { ServerCore } from "./core.js";
import type { Exchange } from "./exchange.js";
import { answerAccess, answerPreflight, describeAddress } from "./first-access.js";
import { answerHypertext, closeDoor, openDoor } from "./hypertext.js";
import { checkOrigin, isSecure, shown } from "./origins.js";
import { ClientGone, refusalOf, refuse } from "./refusals.js";
import { badRequest, checkHead } from "./request-reading.js";
import { type Place, placeOf } from "./request-target.js";
import { answerAttach, answerEnd, answerUnknown } from "./sessions.js";

/** Answers one exchange. `id`, `rest`: the identification and the path or query after it, as the place has them. */
type Handler = (exchange: Exchange, id: string, rest: string) => void | Promise<void>;

/** Place, then method; `other` stands for every method without a row of its own. */
const routes: Record<Exclude<Place["kind"], "foreign">, ReadonlyMap<string, Handler>> = {
  fixed: new Map<string, Handler>([
    ["POST", (exchange, _id, query) => answerAccess(exchange, query)],
    ["OPTIONS", answerPreflight],
    ["other", describeAddress],
  ]),
  session: new Map<string, Handler>([
    ["POST", answerAttach],
    ["DELETE", answerEnd],
    ["OPTIONS", answerPreflight],
    ["other", answerUnknown],
  ]),
  door: new Map<string, Handler>([
    ["POST", openDoor],
    ["DELETE", closeDoor],
    ["OPTIONS", answerPreflight],
    ["other", answerUnknown],
  ]),
  hypertext: new Map<string, Handler>([["other", answerHypertext]]),
  unknown: new Map<string, Handler>([["other", answerUnknown]]),
  invalid: new Map<string, Handler>([["other", refuseTarget]]),
};

/** Answers a request that is ours. Whatever is wrong with it, it is answered, and nothing is thrown. */
export async function receiveRequest(
  core: ServerCore,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.on("error", () => undefined);
  response.on("error", () => undefined);
  const rule = { ...core.settings, onLoopback: core.onLoopback, encrypted: "encrypted" in request.socket };
  const secure = isSecure(request.headers, rule);
  let exchange: Exchange = { core, request, response, corsOrigin: undefined, secure, spokeFrames: false };
  try {
    checkHead(request);
    exchange = { ...exchange, corsOrigin: checkOrigin(request.headers, rule) };
    await route(exchange, placeOf(request.url ?? "", core.settings));
  } catch (error) {
    if (error instanceof ClientGone) return;
    const refusal = refusalOf(error);
    if (refusal !== error) core.observer.failed(error);
    const from = { remoteAddress: clientAddress(request, core.settings.trustProxy), target: shown(request.url) };
    core.observer.refused(refusal, from);
    refuse(exchange, refusal);
  }
}

async function route(exchange: Exchange, place: Place): Promise<void> {
  if (place.kind === "foreign") return answerUnknown(exchange, "");
  const table = routes[place.kind];
  const handler = table.get(exchange.request.method ?? "") ?? table.get("other");
  await handler?.(exchange, "id" in place ? place.id : "", restOf(place));
}

function restOf(place: Place): string {
  if (place.kind === "fixed") return place.query;
  return place.kind === "hypertext" ? place.path : "";
}

function refuseTarget(): never {
  throw badRequest("the request's target is none");
}
