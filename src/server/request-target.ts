/**
 * What a request's target names. Targets are compared as they were sent: nothing is decoded and nothing is normalised,
 * so each address has one spelling, and no other spelling can reach a session that it does not name.
 */
import type { AddressGenerator } from "../access/address-generation.js";
import { type ConnectionAddress, isIdentification } from "../access/connection-address.js";

/** A place on the server. */
export type Place =
  /** The fixed address, also by the IP address alone. */
  | { readonly kind: "fixed"; readonly query: string }
  /** What looks like the address of a process; whether there is one is another question. */
  | { readonly kind: "session"; readonly id: string }
  /** Where the cookie for a process's hypertext is asked for. */
  | { readonly kind: "door"; readonly id: string }
  /** Below the address of a process; `path` begins with "/" and includes the query. */
  | { readonly kind: "hypertext"; readonly id: string; readonly path: string }
  /** Ours, and nothing can be there. */
  | { readonly kind: "unknown" }
  /** Not ours: another listener of the HTTP server may know it. */
  | { readonly kind: "foreign" }
  /** Not a target that HTTP allows. */
  | { readonly kind: "invalid" };

/** What of the settings decides about places. */
export interface PlaceSettings {
  readonly address: ConnectionAddress;
  readonly ids: AddressGenerator;
  readonly ownsServer: boolean;
}

const UNKNOWN: Place = { kind: "unknown" };

/** The place that a raw request target names. */
export function placeOf(target: string, settings: PlaceSettings): Place {
  const place = findPlace(target, settings);
  if (settings.ownsServer) return place.kind === "foreign" ? UNKNOWN : place;
  return place.kind === "invalid" ? { kind: "foreign" } : place;
}

function findPlace(target: string, { address, ids, ownsServer }: PlaceSettings): Place {
  const local = originForm(target);
  if (local === undefined) return { kind: "invalid" };
  const question = local.indexOf("?");
  const path = question < 0 ? local : local.slice(0, question);
  const query = local.slice(path.length);
  const base = `${address.prefix}/`;
  if (!path.startsWith(base)) return { kind: "foreign" };
  const rest = path.slice(base.length);
  if (rest === address.id || (ownsServer && rest === "")) return { kind: "fixed", query };
  const slash = rest.indexOf("/");
  const id = slash < 0 ? rest : rest.slice(0, slash);
  if (!ownsServer && ids.owner(id) === "foreign") return { kind: "foreign" };
  return slash < 0 ? sessionPlace(id, "", query) : sessionPlace(id, rest.slice(slash), query);
}

function sessionPlace(id: string, below: string, query: string): Place {
  if (!isIdentification(id)) return UNKNOWN;
  if (below === "") return query === "" ? { kind: "session", id } : UNKNOWN;
  if (below === "/door") return query === "" ? { kind: "door", id } : UNKNOWN;
  return isCanonical(below) && !query.includes("#") ? { kind: "hypertext", id, path: below + query } : UNKNOWN;
}

/** The path and query of a target; of an absolute one too, whose host decides nothing. */
function originForm(target: string): string | undefined {
  if (target.startsWith("/")) return target;
  const authority = /^https?:\/\/[^/?#]+/i.exec(target)?.[0];
  if (authority === undefined || !URL.canParse(target)) return undefined;
  const local = target.slice(authority.length);
  return local.startsWith("/") ? local : `/${local}`;
}

/** A URL parser would leave it as it is: no dot segments in any spelling, no backslash, no character to be escaped. */
function isCanonical(path: string): boolean {
  return new URL(`http://localhost${path}`).pathname === path;
}
