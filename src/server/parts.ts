/** The layers beside the server, as its public entry puts them together. */
import type { WebSocket } from "ws";
import { inline, type ServiceClass } from "../host/inline.js";
import { acceptWebSocket } from "../link/websocket-server.js";
import type { ServerParts } from "./core.js";

/** What the public entry serves with. */
export const parts: ServerParts = {
  inline: (service, options) => inline(service as ServiceClass, options),
  // By name only: the types of `ws` are not for the users of ours.
  acceptWebSocket: (socket) => acceptWebSocket(socket as WebSocket),
  links: ["websocket", "http-exchange"],
};
