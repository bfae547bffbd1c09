/** One end of a link: it knows only what it was told. */
import type { Link, LinkEnd, LinkEvents, LinkKind } from "../../src/frame/link.js";
import type { Connection } from "./network.js";
import type { Direction } from "./path.js";
import type { Machine } from "./world.js";

/** An end that was closed and hears nothing gives up after this long. */
const CLOSING_MS_MAX = 10_000;
/** What a receiver's octets are overwritten with when it is done with them. */
const SPOILT = 0xee;

/** One end of a connection, as its owner sees it. */
export class End implements Link {
  isDead = false;
  /** Whose link it is, for the checker. */
  owner: unknown;
  isClosing = false;
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
