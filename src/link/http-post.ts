/**
 * One POST as a link: the request's body is the one write, the answer's body are the frames that come back. The first
 * access goes this way, and so does the question after an upgrade that failed (D6).
 */
import { joinOctets } from "../base/octets.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import { requestFrames } from "./frames-request.js";

export { farMs } from "#post";

/**
 * Opens a link of one request to `href`. It is open when there is a connection that takes the request; what is sent
 * until the end of `opened` is its body.
 */
export function openHttpPostLink(href: string): Link {
  return new HttpPostLink(href);
}

/** How long the rest of an answer may take that nobody needs any more. */
const ANSWER_END_MS = 1_000;
/**
 * The octets of one body, less than any server takes (accessBytesMax). What follows is dropped as by a link that died:
 * an attach with a full window behind it would be refused as a whole, and the session with it.
 */
const BODY_BYTES_MAX = 196_608;

class HttpPostLink implements Link {
  readonly kind = "access";
  readonly queuedBytes = 0;
  private readonly abort = new AbortController();
  private closeReason: string | undefined;
  private events: LinkEvents | undefined;
  private parts: Uint8Array[] | undefined = [];
  private bodyBytes = 0;
  private isAnswered = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly href: string) {}

  listen(events: LinkEvents): void {
    this.events = events;
    queueMicrotask(() => void this.post());
  }

  send(octets: Uint8Array): void {
    if (this.parts === undefined) return;
    this.bodyBytes += octets.length;
    if (this.bodyBytes <= BODY_BYTES_MAX) this.parts.push(octets);
  }

  /** An answer that has begun is read to its end, which is near: a connection that is cut cannot be used again. */
  close(reason: string): void {
    this.closeReason ??= reason;
    if (this.isAnswered) this.timer = setTimeout(() => this.abort.abort(), ANSWER_END_MS);
    else this.abort.abort();
  }

  private async post(): Promise<void> {
    const receive = (frames: Uint8Array) => {
      this.isAnswered = true;
      this.events?.receive(frames);
    };
    const { reason, end } = await requestFrames(this.href, () => this.takeBody(), this.abort.signal, receive);
    const wasLeft = this.parts !== undefined && this.closeReason !== undefined;
    if (wasLeft) this.closed(this.closeReason ?? reason, "answered");
    else this.closed(reason, end);
  }

  /** Undefined when nobody has anything to say: the link is not needed any more. */
  private takeBody(): Uint8Array | undefined {
    if (this.closeReason === undefined) this.events?.opened();
    if (this.closeReason !== undefined) return undefined;
    const body = joinOctets(this.parts ?? []);
    this.parts = undefined;
    return body;
  }

  private closed(reason: string, end: LinkEnd): void {
    const { events } = this;
    this.events = undefined;
    clearTimeout(this.timer);
    events?.closed(reason, end);
  }
}
