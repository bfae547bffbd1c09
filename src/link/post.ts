/** What a POST is to its caller; `#post` is Node's or a browser's. */

/** Requests of one http-exchange link that are enough where answers come soon: one that waits, one that brings. */
export const REQUESTS_AT_ONCE = 2;
/** Requests of one http-exchange link that may be under way at once (spec/link.md, section 5.1). */
export const REQUESTS_AT_ONCE_MAX = 4;

/** An answer that has begun. */
export interface Answer {
  /** 300 where the platform says of a redirection only that it is one. */
  readonly status: number;
  /** A header by its name in small letters. */
  header(name: string): string | undefined;
  /** Gives each piece of the body to `receive`; resolves at its end, rejects when it breaks off or `receive` throws. */
  read(receive: (piece: Uint8Array) => void): Promise<void>;
}

/**
 * Posts to `href` what `bodyOf` gives when there is a connection that takes it: never inside of this call in Node, at
 * once in a browser, which does not tell. Without a body nothing is sent. Rejects when no answer comes.
 */
export type Post = (href: string, bodyOf: () => Uint8Array | undefined, signal: AbortSignal) => Promise<Answer>;
