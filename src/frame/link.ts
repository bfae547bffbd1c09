/**
 * `Link` is the seam: a WebSocket, an HTTP exchange, a port to a worker, a pipe to a child and a hop to another node
 * all carry the same frames and pass the same contract suite (test/contract/link.ts).
 *
 * A link is first-in first-out without gaps until it dies (D10): what arrives is a beginning of what was sent, whole
 * frames only. It knows nothing of sessions; it never retries; it dies once.
 */

/** Which kind of transport a link is, as named in WELCOME, in events and in `session.link`. */
export type LinkKind = "websocket" | "http-exchange" | "message-port" | "access" | "memory";

/**
 * How a link ended. refused: nobody listens at the port. answered: something is there, but it gave no link, or it ended
 * the link on purpose. lost: anything else, such as a reset or a path that went silent.
 */
export type LinkEnd = "refused" | "answered" | "lost";

/** What a link tells its owner. Never called from inside `send` or `close`, and nothing follows `closed`. */
export interface LinkEvents {
  /** Frames can travel now. A link that was accepted, not opened, is open from the start and does not say it. */
  opened(): void;
  /** One or more whole frames came. The octets belong to the callee until it returns. */
  receive(octets: Uint8Array): void;
  /** The link is dead, once. `reason` is for a person. */
  closed(reason: string, end: LinkEnd): void;
}

/** One transport connection of a session. */
export interface Link {
  readonly kind: LinkKind;
  /** Octets that `send` took and the network has not taken yet. */
  readonly queuedBytes: number;
  /** Names who hears of this link; called once, before anything else. */
  listen(events: LinkEvents): void;
  /** Sends one or more whole frames as one write. After `closed`, or before `opened`, it drops them silently. */
  send(octets: Uint8Array): void;
  /** Lets what was sent leave, then ends the link. `closed` is still told, later. */
  close(reason: string): void;
}
