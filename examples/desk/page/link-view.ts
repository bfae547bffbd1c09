/** The line at the top that says how the page is connected. */
import type { ClientSession } from "duowire/client";
import { element } from "./elements.js";

const linkNames: Readonly<Record<string, string>> = {
  websocket: "WebSocket",
  "http-exchange": "plain HTTP",
};

/** Writes the state of a session, and its address. */
export function showLink({ state, link, address }: ClientSession<object>): void {
  const line = element("link");
  line.dataset.state = link?.isSuspect ? "suspect" : state;
  const text = inWords(state, link);
  // Written only when it changes: screen readers say each change.
  if (line.textContent !== text) line.textContent = text;
  element("address").textContent = state === "open" ? `This page's own process: ${address.href}` : "";
}

function inWords(state: ClientSession<object>["state"], link: ClientSession<object>["link"]): string {
  switch (state) {
    case "connecting":
      return "Connecting…";
    case "interrupted":
      return "Interrupted, looking for a way back…";
    case "closed":
      return "Closed";
    case "open": {
      if (!link) return "Open";
      if (link.isSuspect) return "The desk does not answer; waiting for it, and looking for another way…";
      const roundTrip = link.roundTripMs === undefined ? "" : `, ${Math.max(1, Math.round(link.roundTripMs))} ms`;
      return `Open over ${linkNames[link.kind] ?? link.kind}${roundTrip}`;
    }
  }
}
