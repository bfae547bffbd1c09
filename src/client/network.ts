/** The real ways to a server: POST by fetch, and the platform's WebSocket. */
import type { ConnectionAddress } from "../access/connection-address.js";
import { postLeaving } from "../link/frames-request.js";
import { openHttpPostLink } from "../link/http-post.js";
import { openWebSocketLink } from "../link/websocket.js";
import type { Network } from "./communication.js";

/** The network that a fixed connection address is reached through. */
export function platformNetwork(address: ConnectionAddress): Network {
  return {
    access: () => openHttpPostLink(address.firstAccessHref),
    ask: (id) => openHttpPostLink(address.inherit(id).href),
    farewell: (id, octets) => postLeaving(address.inherit(id).href, octets),
    open: (id, admission) => openWebSocketLink(address.inherit(id).webSocketHref, admission),
  };
}
