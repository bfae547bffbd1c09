/** The layers beside the server, as its public entry puts them together. */

import { inline, type ServiceClass } from "../host/inline.js";
import { acceptWebSocket } from "../link/websocket-server.js";
import type { ServerParts } from "./core.js";

/** What the public entry serves with. */
export const parts: ServerParts = {
  inline: (service) => inline(service as ServiceClass),
  acceptWebSocket,
  links: ["websocket", "http-exchange"],
};
