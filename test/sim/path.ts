/** The way between a client and the server, and one direction of one link on it. */
import type { LinkKind } from "../../src/frame/link.js";
import type { End } from "./end.js";
import type { Connection, Destination } from "./network.js";
import type { Machine, World } from "./world.js";

/** Whom the network shows everything that passes: the checker. */
export interface Watcher {
  /** An end takes a write of its owner. */
  sent(end: End, octets: Uint8Array): void;
  /** An end gives octets to its owner; `run` does it. */
  received(end: End, octets: Uint8Array, run: () => void): void;
}

/** A server as the network sees it. */
export interface ServerSide {
  readonly machine: Machine;
  readonly isListening: boolean;
  /** An upgrade: takes the link, or says no. */
  upgrade(link: End, to: Destination): boolean;
  /** The first request of a link of requests: takes the link, or refuses it. */
  exchange(link: End, to: Destination): void;
  /** A POST at the address `id`, or at the fixed address: takes the link and the body. */
  post(link: End, body: Uint8Array, id: string | undefined): void;
}

/** What can go wrong while a link is made. `fine` is the rule. */
export const openingFaults = [
  "open_refused",
  "open_failed",
  "open_swallowed",
  "open_slow",
  "open_unheard",
  "answer_lost",
  "answer_cut",
  "request_repeated",
] as const;

/** One of {@link openingFaults}. */
export type OpeningFault = (typeof openingFaults)[number];

/** The way between one client and the server, at this moment. */
export class Path {
  latencyMs: number;
  jitterMs: number;
  /** A proxy on the way keeps an HTTP answer back until it is complete. */
  buffersAnswers = false;
  /** Until then nothing passes, and nobody is told. */
  downUntil = 0;
  /** How late what stands between may send a request again: within the lease, as far as D1 promises. */
  repeatMsMax = 20_000;
  /** When a client was last told that nobody listens. */
  refusedAt = Number.NEGATIVE_INFINITY;
  /** Asked for each link that is made. */
  nextOpening: (kind: LinkKind) => OpeningFault | undefined = () => undefined;
  readonly connections = new Set<Connection>();
  /** What the client's sessions have found out about it. */
  readonly memory = { upgradesFailUntil: 0 };

  constructor(
    readonly world: World,
    readonly client: Machine,
    readonly server: () => ServerSide,
    readonly watcher: Watcher,
  ) {
    this.latencyMs = world.random.spread(0.2, 150);
    this.jitterMs = this.latencyMs * world.random.next();
  }

  /** How long one way takes now. */
  delay(): number {
    return this.latencyMs + this.jitterMs * this.world.random.next();
  }
}

interface Segment {
  readonly at: number;
  /** Octets; or, without, the end of what is said. */
  readonly octets: Uint8Array | undefined;
}

/** Delays of what was under way when a path came back, by the back-off of a transport that repeats by itself. */
const BACK_OFF_MS_MAX = 3_000;

/** One direction of one link: first in, first out, without gaps, until it is cut. */
export class Direction {
  /** Nothing of it arrives before. */
  stalledUntil = 0;
  /** What is put in from now on never arrives. */
  swallows = false;
  queuedBytes = 0;
  /** Of the next write only the first frames arrive, and then nothing. */
  cutsNext: (() => void) | undefined;
  private queue: Segment[] = [];
  private lastAt = 0;
  private isPumping = false;

  constructor(
    private readonly path: Path,
    private readonly to: Machine,
    private readonly deliver: (octets: Uint8Array | undefined) => void,
  ) {}

  push(octets: Uint8Array | undefined, extraMs = 0): void {
    if (this.swallows) return;
    this.lastAt = Math.max(this.lastAt, this.path.world.now + this.path.delay() + extraMs);
    this.queue.push({ at: this.lastAt, octets });
    this.queuedBytes += octets?.length ?? 0;
    this.pump();
  }

  /** Nothing arrives any more, also of what is under way; the first `keep` writes of it still do. */
  cut(keep = 0): void {
    this.swallows = true;
    for (const { octets } of this.queue.splice(keep)) this.queuedBytes -= octets?.length ?? 0;
  }

  private pump(): void {
    if (this.isPumping || this.queue.length === 0) return;
    this.isPumping = true;
    const { world, downUntil } = this.path;
    const head = this.queue[0] as Segment;
    let at = Math.max(head.at, this.stalledUntil);
    if (at < downUntil) at = downUntil + world.random.between(0, BACK_OFF_MS_MAX);
    this.to.arrive(() => this.arrive(), Math.max(0, at - world.now));
  }

  private arrive(): void {
    this.isPumping = false;
    const head = this.queue[0];
    if (head === undefined) return;
    const { now } = this.path.world;
    if (now >= Math.max(this.stalledUntil, this.path.downUntil, head.at)) {
      this.queue.shift();
      this.queuedBytes -= head.octets?.length ?? 0;
      this.hand(head.octets);
    }
    this.pump();
  }

  private hand(octets: Uint8Array | undefined): void {
    if (octets === undefined) return this.deliver(undefined);
    const { random } = this.path.world;
    if (this.cutsNext !== undefined) {
      const part = octets.subarray(0, frameBoundary(octets, random.next()));
      if (part.length > 0) this.deliver(part);
      this.cut();
      this.cutsNext();
      return;
    }
    const boundary = random.chance(0.1) ? frameBoundary(octets, random.next()) : 0;
    if (boundary > 0) this.deliver(octets.subarray(0, boundary));
    if (boundary < octets.length) this.deliver(octets.subarray(boundary));
  }
}

/** The end of a frame in a write, about so far into it; 0 for its beginning. */
function frameBoundary(octets: Uint8Array, part: number): number {
  let end = 0;
  while (end < octets.length) {
    const next =
      end +
      4 +
      (((octets[end + 1] as number) << 16) | ((octets[end + 2] as number) << 8)) +
      (octets[end + 3] as number);
    if (next > octets.length * part) return end;
    end = next;
  }
  return end;
}
