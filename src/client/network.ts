/** The real ways to a server: POST by fetch, HTTP exchange, and the platform's WebSocket. */
import type { ConnectionAddress } from "../access/connection-address.js";
import { platformRandom } from "../base/clock.js";
import { remembered } from "../base/remembered.js";
import { postLeaving } from "../link/frames-request.js";
import { openHttpExchangeLink, polling, streaming } from "../link/http-exchange.js";
import { farMs, openHttpPostLink } from "../link/http-post.js";
import { sharedParking } from "../link/parking.js";
import { openWebSocketLink } from "../link/websocket.js";
import { accessTurns } from "./access-turns.js";
import type { Network } from "./communication.js";
import type { WayMemory } from "./second-communication-options.js";

/** A kind of link that a client may be told to use: the best first. */
export type LinkChoice = "websocket" | "http-exchange";

/** Every kind that there is. */
export const linkChoices: readonly LinkChoice[] = ["websocket", "http-exchange"];

const LINK_BYTES = 16;
/** What is known of the ways to servers, by their origins. */
const ways = new Map<string, WayMemory>();
const unknownWay = (): WayMemory => ({ upgradesFailUntil: 0 });

/**
 * The network that a fixed connection address is reached through, by links of the kinds in `links` that the server
 * offers; where there is none of both, each write is one request, which every server takes.
 */
export function platformNetwork(address: ConnectionAddress, links: readonly LinkChoice[]): Network {
  const exchange = (id: string, key: Uint8Array, isHeldBack: boolean) => {
    const identity = { link: platformRandom(LINK_BYTES), key };
    return openHttpExchangeLink(address.inherit(id).href, identity, isHeldBack ? polling : streaming, sharedParking);
  };
  const upgrade = (id: string, admission: string) => openWebSocketLink(address.inherit(id).webSocketHref, admission);
  const post = (id: string) => openHttpPostLink(address.inherit(id).href);
  const isOffered = (kind: LinkChoice, offered: readonly string[]) => links.includes(kind) && offered.includes(kind);
  const { origin } = new URL(address.href);
  return {
    access: () => openHttpPostLink(address.firstAccessHref),
    enter: accessTurns(origin),
    memory: links.length > 1 ? remembered(ways, origin, unknownWay) : unknownWay(),
    farMs: () => farMs(address.href),
    ask: (id, key, isHeldBack, offered) =>
      isOffered("http-exchange", offered) ? exchange(id, key, isHeldBack) : post(id),
    farewell: (id, octets) => postLeaving(address.inherit(id).href, octets),
    open(id, admission, key, offered) {
      const best = links.find((kind) => offered.includes(kind));
      if (best === undefined) return post(id);
      return best === "http-exchange" ? exchange(id, key, false) : upgrade(id, admission);
    },
  };
}
