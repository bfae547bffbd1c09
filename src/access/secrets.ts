/**
 * What the server proves things with. Everything is derived from one secret and the identification, so nothing has to
 * be stored for it: an ended session is recognised by its key without a tombstone (D5). host/ implements it.
 */

/** Derived keys and tokens. Every comparison takes the same time for a right and a wrong value. */
export interface Secrets {
  /**
   * The session's own secret, from which all below follow for this identification, and nothing for any other: what a
   * worker thread or another process is given.
   */
  session(id: string): Uint8Array;
  /** The 256-bit key of the session with this identification, live or not. */
  key(id: string): Uint8Array;
  /** Whether `key` is the key of `id`. */
  keyFits(id: string, key: Uint8Array): boolean;
  /** The token that an upgrade names after attach number `attach` (0: before the first): `<attach>.<128-bit MAC>`. */
  admission(id: string, attach: number): string;
  /** The attach number that a genuine admission token of `id` was made for; undefined for any other text. */
  admissionNumber(id: string, token: string): number | undefined;
  /** The value of the cookie that opens the hypertext of `id`: not the key, and nothing follows from it (D26). */
  doorToken(id: string): string;
  doorTokenFits(id: string, token: string): boolean;
  /** `path` (below the address, with its query), signed: it lets one method in until `expiresMs` (wall time). */
  signPath(id: string, method: string, path: string, expiresMs: number): string;
  /** The path that was signed, without its signature; undefined when it is not genuine or its time is over. */
  signedPath(id: string, method: string, path: string, wallMs: number): string | undefined;
}
