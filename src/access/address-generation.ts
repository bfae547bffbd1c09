/**
 * Part 22 of the source: makes the identifications of new addresses, and tells from an identification alone whose it
 * is, so that one of another node is answered without any table (D5).
 */

import type { RandomOctets } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { encodeBase64url } from "./base64url.js";
import { isIdentification } from "./connection-address.js";

/**
 * Whose an identification is, as far as it tells by itself: `mine-maybe` has the form of ours (the live list knows the
 * rest), `other-node` names another node, `malformed` begins like ours and is none, `foreign` is nothing of ours.
 */
export type IdOwner = "mine-maybe" | "other-node" | "malformed" | "foreign";

/** Makes identifications. Never the same twice while it lives. */
export interface AddressGenerator {
  /** The identification of the fixed address, such as `WAO`. */
  readonly systemId: string;
  /** Whether an identification can come again after a restart: then keys must not outlive the server either. */
  readonly startsOver: boolean;
  /** A new identification: neither ":" nor "/" in it, only what {@link isIdentification} allows. */
  next(): string;
  owner(id: string): IdOwner;
}

const NODE = /^[A-Za-z0-9-]{1,32}$/;
const ID_BYTES = 16;
const RANDOM_PART = /^[A-Za-z0-9_-]{22}$/;

/**
 * `WAO1`, `WAO2`, … as in the source's figures. **For laboratory and demonstration**: they tell everybody how many
 * accesses there were, and they come again after a restart, so a server that uses them forgets its secret with it.
 */
export function sequentialIds(systemId: string): AddressGenerator {
  checkSystemId(systemId);
  let made = 0;
  return {
    systemId,
    startsOver: true,
    next: () => `${systemId}${++made}`,
    owner(id) {
      const number = id.startsWith(systemId) ? id.slice(systemId.length) : "";
      if (!/^\d/.test(number)) return "foreign";
      return /^[1-9]\d{0,15}$/.test(number) ? "mine-maybe" : "malformed";
    },
  };
}

/** What {@link randomIds} needs. */
export interface RandomIdsOptions {
  readonly systemId: string;
  /** The name of this node: 1 to 32 letters, digits and hyphens; different for each node behind one address. */
  readonly node: string;
  readonly random: RandomOctets;
}

/**
 * `WAO.<node>.<128 random bits in base64url>`: tells an outsider nothing, never comes again, and a load balancer reads
 * from it which node to go to. Throws `bad_address` for a system ID or a node name that cannot stand in an address.
 */
export function randomIds({ systemId, node, random }: RandomIdsOptions): AddressGenerator {
  checkSystemId(systemId);
  if (!NODE.test(node)) {
    throw new DuowireError(
      "bad_address",
      `the node name ${JSON.stringify(node)} is not 1 to 32 of A-Z a-z 0-9 and "-"`,
    );
  }
  return {
    systemId,
    startsOver: false,
    next: () => `${systemId}.${node}.${encodeBase64url(random(ID_BYTES))}`,
    owner(id) {
      if (!id.startsWith(`${systemId}.`)) return "foreign";
      const [named = "", randomPart = "", ...more] = id.slice(systemId.length + 1).split(".");
      if (!NODE.test(named) || !RANDOM_PART.test(randomPart) || more.length > 0) return "malformed";
      return named === node ? "mine-maybe" : "other-node";
    },
  };
}

function checkSystemId(systemId: string): void {
  if (isIdentification(systemId) && systemId.length <= 64) return;
  const found = JSON.stringify(systemId);
  throw new DuowireError("bad_address", `the system ID ${found} is not 1 to 64 letters, digits and -._~`);
}
