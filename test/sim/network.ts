/**
 * Links as two ends that know nothing of each other: each direction is a queue of its own, and each end learns by
 * itself, late, or never that the other is gone. In a direction nothing overtakes; between links everything may.
 */
import type { Link, LinkEnd, LinkEvents, LinkKind } from "../../src/frame/link.js";
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
  /** An upgrade at the address `id`: takes the link, or says no. */
  upgrade(link: End, id: string, admission: string): boolean;
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

/** An end that was closed and hears nothing gives up after this long. */
const CLOSING_MS_MAX = 10_000;
/** What a receiver's octets are overwritten with when it is done with them. */
const SPOILT = 0xee;

/** One end of a connection, as its owner sees it. */
export class End implements Link {
  isDead = false;
  /** Whose link it is, for the checker. */
  owner: unknown;
  private isClosing = false;
  private events: LinkEvents | undefined;

  constructor(
    readonly kind: LinkKind,
    readonly name: string,
    readonly connection: Connection,
    readonly machine: Machine,
    private readonly out: Direction,
    private isOpen: boolean,
  ) {}

  get queuedBytes(): number {
    return this.out.queuedBytes;
  }

  listen(events: LinkEvents): void {
    this.events = events;
  }

  send(octets: Uint8Array): void {
    if (this.isDead || this.isClosing || !this.isOpen) return;
    const { world, watcher } = this.connection.path;
    world.trace.octets(world.now, this.name, "sends", octets);
    watcher.sent(this, octets);
    this.connection.write(this, this.out, octets);
  }

  close(reason: string): void {
    if (this.isDead || this.isClosing) return;
    this.isClosing = true;
    this.connection.path.world.trace.line(this.connection.path.world.now, this.name, `closes: ${reason}`);
    this.connection.finish(this, this.out);
    this.die("it was closed here", "answered", this.isOpen ? CLOSING_MS_MAX : 0);
  }

  opened(): void {
    if (this.isDead || this.isClosing) return;
    this.isOpen = true;
    this.events?.opened();
  }

  /** Octets come. The owner's view of them is spoilt afterwards: it may keep none. */
  receive(octets: Uint8Array): void {
    if (this.isDead) return;
    const { world, watcher } = this.connection.path;
    world.trace.octets(world.now, this.name, "receives", octets);
    const lent = octets.slice();
    watcher.received(this, octets, () => this.events?.receive(lent));
    lent.fill(SPOILT);
  }

  /** Is told its death after `ms`, unless it is dead by then. */
  die(reason: string, end: LinkEnd, ms: number): void {
    this.machine.arrive(() => {
      if (this.isDead) return;
      this.isDead = true;
      const { world, connections } = this.connection.path;
      world.trace.line(world.now, this.name, `is dead: ${reason} (${end})`);
      if (this.connection.client.isDead && (this.connection.server?.isDead ?? true))
        connections.delete(this.connection);
      if (end === "refused") this.connection.path.refusedAt = world.now;
      this.events?.closed(reason, end);
    }, ms);
  }
}

let connectionsMade = 0;

/** Starts counting again: the names of links are part of the trace. */
export function resetConnections(): void {
  connectionsMade = 0;
}

/** One transport connection: two directions, and two ends that may disagree about it. */
export class Connection {
  readonly client: End;
  server: End | undefined;
  readonly up: Direction;
  readonly down: Direction;
  readonly number = ++connectionsMade;
  private readonly side: ServerSide;
  private body: Uint8Array[] | undefined;
  /** What travels here has been seen before, on that connection. */
  original: Connection | undefined;
  /** Its server's end said WELCOME. */
  isWelcomed = false;
  /** What a proxy keeps back of an answer. */
  private readonly held: Uint8Array[] = [];
  private readonly isBuffered: boolean;

  constructor(
    readonly path: Path,
    readonly kind: LinkKind,
    /** The identification that it goes to; undefined for the fixed address. */
    private readonly id: string | undefined,
    private readonly admission: string,
  ) {
    this.side = path.server();
    this.isBuffered = path.buffersAnswers;
    this.up = new Direction(path, this.side.machine, (octets) => this.arrived(this.server, octets));
    this.down = new Direction(path, path.client, (octets) => this.arrived(this.client, octets));
    this.client = new End(kind, `client-${this.number}`, this, path.client, this.up, kind === "access");
    path.connections.add(this);
    if (kind === "access") this.body = [];
    else this.open(path.nextOpening(kind));
  }

  /** It goes to the fixed address. */
  get isFirstAccess(): boolean {
    return this.id === undefined;
  }

  /** A write of one of the ends: an HTTP request is collected until the end of the turn. */
  write(end: End, out: Direction, octets: Uint8Array): void {
    if (this.kind === "access" && end !== this.client && this.isBuffered) {
      this.held.push(octets);
      return;
    }
    if (end !== this.client || this.kind !== "access") return out.push(octets);
    if (this.body === undefined) return;
    if (this.body.length === 0) this.path.client.atTurnEnd(() => this.request(this.path.nextOpening("access")));
    this.body.push(octets);
  }

  /** An end says that it has said everything. */
  finish(end: End, out: Direction): void {
    const { world } = this.path;
    if (end === this.client && this.server === undefined) {
      // What stands between knows that nobody waits any more, if the server has not been reached yet.
      if (world.random.chance(0.5)) this.side.machine.isCrashed || this.up.push(undefined);
      return;
    }
    if (end === this.server) for (const octets of this.held.splice(0)) out.push(octets);
    out.push(undefined);
  }

  /** Both ends are told, one soon and the other after `serverMs`. */
  kill(clientMs: number, serverMs: number): void {
    this.client.die("the connection was reset", "lost", clientMs);
    this.server?.die("the connection was reset", "lost", serverMs);
  }

  /** Something arrived at one of the ends: octets, or the other's end. */
  private arrived(end: End | undefined, octets: Uint8Array | undefined): void {
    if (end === undefined) return;
    if (octets !== undefined) return end.receive(octets);
    const other = end === this.client ? this.server : this.client;
    end.die("the far side closed it", "answered", 0);
    other?.die("it was closed here", "answered", this.path.delay());
  }

  private open(fault: OpeningFault | undefined): void {
    const { path, client, side } = this;
    const { world } = path;
    if (fault !== undefined) world.trace.line(world.now, client.name, `meets ${fault}`);
    const roundTrip = path.delay() + path.delay();
    if (fault === "open_swallowed" || path.downUntil > world.now) {
      this.up.swallows = true;
      return client.die("the attempt timed out", "lost", 20_000);
    }
    if (fault === "open_refused" || !side.isListening) return client.die("refused", "refused", roundTrip);
    if (fault === "open_failed") return client.die("502", "answered", 2 * roundTrip);
    const slowMs = fault === "open_slow" ? world.random.spread(200, 8_000) : 0;
    side.machine.arrive(
      () => {
        const server = new End(this.kind, `server-${this.number}`, this, side.machine, this.down, true);
        this.server = server;
        if (!side.upgrade(server, this.id as string, this.admission)) {
          this.server = undefined;
          return client.die("404", "answered", path.delay());
        }
        if (fault === "open_unheard") return this.cutDown();
        path.client.arrive(() => client.opened(), path.delay());
      },
      1.5 * roundTrip + slowMs,
    );
  }

  /** The server believes that there is a link, and the client never hears of it. */
  private cutDown(): void {
    this.down.cut();
    this.client.die("the answer to the upgrade was lost", "lost", 15_000);
  }

  private request(fault: OpeningFault | undefined): void {
    const { path, client, side } = this;
    const { world } = path;
    const body = joined(this.body ?? []);
    this.body = undefined;
    if (fault !== undefined) world.trace.line(world.now, client.name, `meets ${fault}`);
    const flight = path.delay() + path.delay() + path.delay();
    if (fault === "open_swallowed" || path.downUntil > world.now) return client.die("timeout", "lost", 20_000);
    if (fault === "open_refused" || !side.isListening) return client.die("refused", "refused", path.delay() * 2);
    if (fault === "open_failed") return client.die("502", "answered", flight);
    const slowMs = fault === "open_slow" ? world.random.spread(200, 8_000) : 0;
    side.machine.arrive(() => this.arriveRequest(body, fault), flight + slowMs);
    if (fault === "request_repeated") this.repeatRequest(body, flight);
  }

  /** What stands between sends the request a second time; one of the two answers is thrown away. */
  private repeatRequest(body: Uint8Array, flight: number): void {
    const { world } = this.path;
    const copy = new Connection(this.path, "access", this.id, "");
    copy.original = this;
    const copyMs =
      flight + (world.random.chance(0.5) ? this.path.delay() : world.random.spread(10, this.path.repeatMsMax));
    this.side.machine.arrive(() => copy.arriveRequest(body, undefined), copyMs);
    copy.client.die("nobody waits for this answer", "lost", copyMs + world.random.between(0, 5_000));
    if (world.random.chance(0.5)) return;
    this.down.swallows = true;
    copy.client.listen({
      opened: () => {},
      receive: (octets) => this.client.receive(octets),
      closed: (reason, end) => this.client.die(reason, end, 0),
    });
  }

  private arriveRequest(body: Uint8Array, fault: OpeningFault | undefined): void {
    const { side, path } = this;
    if (!side.isListening) return this.client.die("refused", "refused", path.delay());
    const server = new End("access", `server-${this.number}`, this, side.machine, this.down, true);
    this.server = server;
    const dies = (ms: number) => this.kill(ms, path.delay());
    if (fault === "answer_lost") {
      this.down.cut();
      if (path.world.random.chance(0.5)) dies(path.world.random.spread(1, 2_000));
    }
    if (fault === "answer_cut") this.down.cutsNext = () => dies(path.delay());
    side.post(server, body, this.id);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : new Uint8Array(Buffer.concat(parts));
}
