/**
 * Part 23 of the source: tells the client the identification of its new address, and only that. `Location` is a
 * relative reference, so that the rules of URLs put it on the address that the client itself used; nothing that the
 * server believes about its own address can be wrong, because it is not said.
 */
import type { AnnouncedLimits } from "../frame/limits.js";
import { encodeBase64url } from "./base64url.js";

/** What a client is told when its access was accepted. */
export interface Notification {
  readonly id: string;
  /** The 256-bit key. It is told here and in WELCOME, and nowhere else. */
  readonly key: Uint8Array;
  /** How long the session outlives its links. */
  readonly leaseMs: number;
  /** Which kinds of link the server offers, the best first. */
  readonly links: readonly string[];
  /** The token for the first upgrade (D27). */
  readonly admission: string;
  readonly limits: AnnouncedLimits;
}

/** The head of every answer of the wire: nobody keeps it, nobody guesses its type, nobody learns where it came from. */
export const wireHeaders: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** The head of the 201 answer. Never an address: only the identification. */
export function notificationHeaders(id: string): Record<string, string> {
  return { ...wireHeaders, location: id };
}

/** The notification as JSON, for curl and for other languages: the answer to an access without frames. */
export function notificationJson(notification: Notification): string {
  const { id, key, leaseMs, links, admission, limits } = notification;
  return `${JSON.stringify({ id, key: encodeBase64url(key), leaseMs, links, admission, limits })}\n`;
}
