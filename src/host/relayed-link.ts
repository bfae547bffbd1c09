/**
 * Links over a flow: the server's process has the real one, the carrier one that stands for it. What is promised of a
 * link holds of both together: order, whole frames, and that it dies once with its reason.
 */
import type { CancelTimer, Clock } from "../base/clock.js";
import type { Link, LinkEnd, LinkEvents, LinkKind } from "../frame/link.js";
import type { Flow, FlowEnd } from "./flow.js";

/** How often a link that is slow to take its octets is asked how many it still has. */
const PASSED_EVERY_MS = 50;

/** What a relay needs besides its link and its flow. */
export interface RelayOptions {
  readonly clock: Clock;
  /** Whether so many octets more may wait for the process. */
  readonly hasRoom: (bytes: number) => boolean;
  /** The link is dead, and the process has said that it is done with it: nothing of it waits any more. */
  readonly over: () => void;
}

/**
 * Passes on what a link receives to `flow`, and the other way round. The client keeps to its window: where there is no
 * room for what it sends, the process hangs, or the client is no honest one. Then the link is ended.
 */
export function relayLink(link: Link, flow: Flow, { clock, hasRoom, over }: RelayOptions): void {
  const passed = new PassedOctets(link, flow, clock);
  const leave = () => {
    if (flow.isFinished && flow.isOver) over();
  };
  link.listen({
    opened: () => undefined,
    receive(octets) {
      // What an acknowledgement among them speaks of has been passed on, and the process is to know that before.
      passed.tell();
      if (hasRoom(octets.length)) flow.send(octets);
      else link.close("the process does not take what it is sent");
    },
    closed(reason, end) {
      passed.stop();
      flow.finish(reason, end);
      leave();
    },
  });
  flow.listen({
    receive(octets) {
      link.send(octets);
      passed.sent(octets.length);
    },
    finished(reason) {
      link.close(reason);
      leave();
    },
  });
}

/** Ends a link that no process is to hear of. */
export function turnAway(link: Link, reason: string): void {
  link.listen({ opened: () => undefined, receive: () => undefined, closed: () => undefined });
  link.close(reason);
}

/** Tells the flow how many of its octets the link has really passed on. */
class PassedOctets {
  private sentBytes = 0;
  private toldBytes = 0;
  private cancelTimer: CancelTimer | undefined;

  constructor(
    private readonly link: Link,
    private readonly flow: Flow,
    private readonly clock: Clock,
  ) {}

  sent(bytes: number): void {
    this.sentBytes += bytes;
    if (this.cancelTimer === undefined) this.tell();
  }

  stop(): void {
    this.cancelTimer?.();
  }

  /** Tells it now; while octets wait in the link, it is told again soon. */
  tell(): void {
    this.cancelTimer?.();
    const { queuedBytes } = this.link;
    // A link may count what it puts around octets, too.
    const passedBytes = Math.max(this.toldBytes, this.sentBytes - queuedBytes);
    this.flow.took(passedBytes - this.toldBytes);
    this.toldBytes = passedBytes;
    this.cancelTimer = queuedBytes > 0 ? this.clock.after(PASSED_EVERY_MS, () => this.tell()) : undefined;
  }
}

/** The link as the communication process in the carrier has it. */
export class RelayedLink implements Link {
  constructor(
    readonly kind: LinkKind,
    private readonly flow: Flow,
  ) {}

  get queuedBytes(): number {
    return this.flow.queuedBytes;
  }

  listen(events: LinkEvents): void {
    const { flow } = this;
    flow.listen({
      receive(octets) {
        events.receive(octets);
        flow.took(octets.length);
      },
      finished(reason, end) {
        flow.finish(reason, end);
        events.closed(reason, linkEndOf(end));
      },
    });
  }

  send(octets: Uint8Array): void {
    this.flow.send(octets);
  }

  /** The real link is closed, and its end comes back as the end of this one. */
  close(reason: string): void {
    this.flow.finish(reason, "answered");
  }
}

function linkEndOf(end: FlowEnd): LinkEnd {
  return end === "whole" || end === "aborted" ? "lost" : end;
}
