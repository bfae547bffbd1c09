/**
 * Links as two ends that know nothing of each other: each direction is a queue of its own, and each end learns by
 * itself, late, or never that the other is gone. In a direction nothing overtakes; between links everything may.
 */
import type { LinkKind } from "../../src/frame/link.js";
import { End } from "./end.js";
import { Direction, type OpeningFault, type Path, type ServerSide } from "./path.js";

let connectionsMade = 0;

/** Starts counting again: the names of links are part of the trace. */
export function resetConnections(): void {
  connectionsMade = 0;
}

/** Where a connection goes, and what it shows there. */
export interface Destination {
  readonly kind: LinkKind;
  /** The identification; undefined for the fixed address. */
  readonly id?: string;
  /** What an upgrade shows. */
  readonly admission?: string;
  /** What plain HTTP shows. */
  readonly key?: Uint8Array;
  /** Each answer ends with its first frames, so that no proxy can keep it back. */
  readonly polls?: boolean;
}

/** How long a proxy that waits for the end of an answer keeps back one that streams. */
const STREAM_HOLD_MS = 20_000;

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
  /** The handshake is over before the first write. */
  private isConnected = false;
  /** Its server's end said WELCOME. */
  isWelcomed = false;
  /** It was attached beside another one. */
  isCompanion = false;
  /** What a proxy keeps back of an answer. */
  private readonly held: Uint8Array[] = [];
  private readonly isBuffered: boolean;

  constructor(
    readonly path: Path,
    private readonly to: Destination,
  ) {
    const { kind } = to;
    this.side = path.server();
    this.isBuffered = path.buffersAnswers;
    this.up = new Direction(path, this.side.machine, (octets) => this.arrived(this.server, octets));
    this.down = new Direction(path, path.client, (octets) => this.arrived(this.client, octets));
    this.client = new End(kind, `client-${this.number}`, this, path.client, this.up, false);
    path.connections.add(this);
    if (kind === "websocket") this.open(path.nextOpening(kind));
    else this.body = [];
    // A browser does not tell when a request gets its connection; Node does, and what is said until then is in its body.
    if (kind === "access" && path.world.random.chance(0.5)) this.connect();
    else if (kind !== "websocket") path.client.atTurnEnd(() => this.client.opened());
  }

  private connect(): void {
    const { path, client, side } = this;
    this.isConnected = true;
    const roundTrip = path.delay() + path.delay();
    if (path.downUntil > path.world.now) return client.die("the attempt timed out", "lost", 20_000);
    if (!side.isListening) return client.die("refused", "refused", roundTrip);
    path.client.arrive(() => client.opened(), roundTrip);
  }

  get kind(): LinkKind {
    return this.to.kind;
  }

  /** It goes to the fixed address. */
  get isFirstAccess(): boolean {
    return this.to.id === undefined;
  }

  /** A write of one of the ends: an HTTP request is collected until the end of the turn. */
  write(end: End, out: Direction, octets: Uint8Array): void {
    if (this.kind === "access" && end !== this.client && this.isBuffered) {
      this.held.push(octets);
      return;
    }
    if (end !== this.client || this.kind === "websocket") return out.push(octets);
    if (this.body === undefined) return this.kind === "access" ? undefined : out.push(octets);
    const { path } = this;
    if (this.body.length === 0) path.client.atTurnEnd(() => this.request(path.nextOpening(this.kind)));
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
        if (!side.upgrade(server, this.to)) {
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
    const flight = path.delay() + (this.isConnected ? 0 : path.delay() + path.delay());
    if (fault === "open_swallowed" || path.downUntil > world.now) return client.die("timeout", "lost", 20_000);
    if (fault === "open_refused" || !side.isListening) return client.die("refused", "refused", path.delay() * 2);
    if (fault === "open_failed") return client.die("502", "answered", flight);
    const slowMs = fault === "open_slow" ? world.random.spread(200, 8_000) : 0;
    if (this.kind === "http-exchange") return this.exchange(body, fault, flight + slowMs);
    side.machine.arrive(() => this.arriveRequest(body, fault), flight + slowMs);
    if (fault === "request_repeated") this.repeatRequest(body, flight);
  }

  /** A link of requests begins: what comes behind the first write stays behind it. */
  private exchange(body: Uint8Array, fault: OpeningFault | undefined, flightMs: number): void {
    const { side, path, down, client } = this;
    this.up.push(body, flightMs);
    if (this.isBuffered && this.to.polls !== true) down.stalledUntil = path.world.now + STREAM_HOLD_MS;
    if (fault === "open_unheard" || fault === "answer_lost") {
      down.cut();
      client.die("no answer came, three times", "lost", path.world.random.spread(1_000, 20_000));
    }
    if (fault === "answer_cut") down.cutsNext = () => this.kill(path.delay(), path.world.random.spread(10, 30_000));
    side.machine.arrive(() => {
      if (!side.isListening) return client.die("refused", "refused", path.delay());
      this.server = new End(this.kind, `server-${this.number}`, this, side.machine, down, true);
      side.exchange(this.server, this.to);
    }, flightMs);
  }

  /** What stands between sends the request a second time; one of the two answers is thrown away. */
  private repeatRequest(body: Uint8Array, flight: number): void {
    const { world } = this.path;
    const copy = new Connection(this.path, this.to);
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
    side.post(server, body, this.to.id);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : new Uint8Array(Buffer.concat(parts));
}
