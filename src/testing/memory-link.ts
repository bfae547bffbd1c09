/** Two ends of a link in memory, each a {@link Link}: what one sends the other receives, through a path with faults. */
import type { Clock } from "../base/clock.js";
import type { Link, LinkEnd, LinkEvents, LinkKind } from "../frame/link.js";

/** The state of a path, shared by all links that go over it. */
export interface PathState {
  /** One way, for everything that is sent from now on. */
  delayMs: number;
  /** Nothing gets through, and nobody is told: what was sent is lost with its link. */
  isSilent: boolean;
}

/** One end of a link in memory. */
export class MemoryLink implements Link {
  readonly queuedBytes = 0;
  private events: LinkEvents | undefined;
  private readonly early: Uint8Array[] = [];
  private other: MemoryLink | undefined;
  private isOver = false;
  /** Gets a copy of whatever this end sends: a request that something on the way sends twice. */
  twin: MemoryLink | undefined;
  /** What has arrived last is delivered no earlier than what was sent before it. */
  private lastArrivalAt = 0;

  private constructor(
    readonly kind: LinkKind,
    private readonly clock: Clock,
    private readonly path: PathState,
    private readonly extraMs: number,
  ) {}

  /** Two ends of one link, on which everything takes `extraMs` longer than on others. */
  static pair(kind: LinkKind, clock: Clock, path: PathState, extraMs = 0): [MemoryLink, MemoryLink] {
    const make = () => new MemoryLink(kind, clock, path, extraMs);
    const ends: [MemoryLink, MemoryLink] = [make(), make()];
    [ends[0].other, ends[1].other] = [ends[1], ends[0]];
    return ends;
  }

  listen(events: LinkEvents): void {
    this.events = events;
    for (const octets of this.early.splice(0)) this.later(() => this.events?.receive(octets));
  }

  /** Tells this end that frames can travel. */
  open(): void {
    this.later(() => this.events?.opened());
  }

  send(octets: Uint8Array): void {
    if (this.isOver || this.path.isSilent) return;
    const copy = octets.slice();
    this.later(() => this.other?.arrive(copy));
    this.twin?.send(octets);
  }

  close(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.later(() => this.other?.die(reason, "answered"));
    this.later(() => this.tell(reason, "answered"));
  }

  /** Breaks the link for this end, at once. */
  die(reason: string, end: LinkEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    this.clock.atTurnEnd(() => this.tell(reason, end));
  }

  private arrive(octets: Uint8Array): void {
    if (this.isOver || this.path.isSilent) return;
    if (this.events === undefined) this.early.push(octets);
    else this.events.receive(octets);
  }

  private tell(reason: string, end: LinkEnd): void {
    const { events } = this;
    this.events = undefined;
    events?.closed(reason, end);
  }

  /** In the order of the calls, whatever the delay was at each. */
  private later(run: () => void): void {
    const now = this.clock.monotonicMs();
    this.lastArrivalAt = Math.max(this.lastArrivalAt, now + this.path.delayMs + this.extraMs);
    if (this.lastArrivalAt > now) this.clock.after(this.lastArrivalAt - now, run);
    else this.clock.atTurnEnd(run);
  }
}
