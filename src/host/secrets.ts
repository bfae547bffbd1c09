/**
 * The keys and tokens of {@link Secrets}, by HMAC-SHA256. From the server's secret follows one secret per session, and
 * from that everything else: a carrier is given the secret of each session that it carries, and can make up no other's.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Secrets } from "../access/secrets.js";
import { assert } from "../base/assert.js";

/** The query parameter of a signed URL: always the last one. */
const SIGNATURE = "duowire=";
const TOKEN_BYTES = 16;
const ATTACH_DIGITS_MAX = 15;

/** Secrets derived from `secret`; two servers with the same secret and the same identification agree on all of them. */
export function deriveSecrets(secret: Uint8Array): Secrets {
  return secretsFrom((id) => macOf(secret, "session", id));
}

/** The secrets of one session, from its own: for a carrier. Throws when it is asked about another session. */
export function sessionSecrets(id: string, secret: Uint8Array): Secrets {
  return secretsFrom((asked) => {
    assert(asked === id, "a carrier has been asked for the secrets of a session that it was not given");
    return secret;
  });
}

/** Each purpose has its own name in front, and NUL stands in no part, so no two inputs are the same octets. */
function macOf(secret: Uint8Array, purpose: string, ...parts: string[]): Buffer {
  return createHmac("sha256", secret)
    .update([purpose, ...parts].join("\0"))
    .digest();
}

function secretsFrom(session: (id: string) => Uint8Array): Secrets {
  const mac = (purpose: string, id: string, ...parts: string[]) => macOf(session(id), purpose, ...parts);
  const token = (purpose: string, id: string, ...parts: string[]): string =>
    mac(purpose, id, ...parts).toString("base64url", 0, TOKEN_BYTES);
  const admission = (id: string, attach: number) => `${attach}.${token("admission", id, String(attach))}`;
  const signature = (id: string, method: string, path: string, expires: string) =>
    // What a GET may see, a HEAD may too.
    `${expires}.${token("url", id, method === "HEAD" ? "GET" : method, expires, path)}`;

  return {
    session: (id) => new Uint8Array(session(id)),
    key: (id) => new Uint8Array(mac("key", id)),
    keyFits: (id, key) => sameSecret(mac("key", id), key),
    admission,
    admissionNumber(id, text) {
      const digits = text.slice(0, Math.max(text.indexOf("."), 0));
      const attach = /^\d+$/.test(digits) && digits.length <= ATTACH_DIGITS_MAX ? Number(digits) : -1;
      return sameText(admission(id, attach), text) ? attach : undefined;
    },
    doorToken: (id) => token("door", id),
    doorTokenFits: (id, text) => sameText(token("door", id), text),
    signPath(id, method, path, expiresMs) {
      const { pathname, search } = new URL(`http://localhost${path}`);
      const canonical = pathname + search;
      const signed = signature(id, method, canonical, String(Math.ceil(expiresMs / 1_000)));
      return `${canonical}${search === "" ? "?" : "&"}${SIGNATURE}${signed}`;
    },
    signedPath(id, method, path, wallMs) {
      const at = path.lastIndexOf(SIGNATURE);
      if (at < 1) return undefined;
      const canonical = path.slice(0, at - 1);
      if (path[at - 1] !== (canonical.includes("?") ? "&" : "?")) return undefined;
      const named = path.slice(at + SIGNATURE.length);
      const expires = named.slice(0, Math.max(named.indexOf("."), 0));
      const genuine = sameText(signature(id, method, canonical, expires), named);
      return genuine && wallMs < Number(expires) * 1_000 ? canonical : undefined;
    },
  };
}

function sameText(expected: string, given: string): boolean {
  return sameSecret(Buffer.from(expected), Buffer.from(given));
}

/** In constant time for values of the right length; the length itself is no secret. */
function sameSecret(expected: Uint8Array, given: Uint8Array): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given);
}
