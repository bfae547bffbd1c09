/**
 * One POST as a link: the request's body is the one write, the answer's body are the frames that come back. The first
 * access goes this way, and so does the question after an upgrade that failed (D6).
 */
import { joinOctets } from "../base/octets.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import { requestFrames } from "./frames-request.js";

/** Opens a link of one request to `href`. It is sent when the turn in which it got its frames is over. */
export function openHttpPostLink(href: string): Link {
  return new HttpPostLink(href);
}

class HttpPostLink implements Link {
  readonly kind = "access";
  readonly queuedBytes = 0;
  private readonly abort = new AbortController();
  private events: LinkEvents | undefined;
  private parts: Uint8Array[] | undefined = [];

  constructor(private readonly href: string) {}

  listen(events: LinkEvents): void {
    this.events = events;
  }

  send(octets: Uint8Array): void {
    if (this.parts === undefined) return;
    if (this.parts.length === 0) queueMicrotask(() => void this.post());
    this.parts.push(octets);
  }

  close(reason: string): void {
    this.abort.abort();
    if (this.parts?.length === 0) queueMicrotask(() => this.closed(reason, "answered"));
  }

  private async post(): Promise<void> {
    const body = joinOctets(this.parts ?? []);
    this.parts = undefined;
    const receive = (frames: Uint8Array) => this.events?.receive(frames);
    const { reason, end } = await requestFrames(this.href, body, this.abort.signal, receive);
    this.closed(reason, end);
  }

  private closed(reason: string, end: LinkEnd): void {
    const { events } = this;
    this.events = undefined;
    events?.closed(reason, end);
  }
}
