/** A network in memory between one client and one server, and what can go wrong in it. */
import type { CommunicationProcess } from "../access/communication-process.js";
import type { Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { alwaysEntered } from "../client/access-turns.js";
import type { Network } from "../client/communication.js";
import type { AccessFrame } from "../frame/control.js";
import { decodeFrames, encodeFrame } from "../frame/frame.js";
import type { Link, LinkKind } from "../frame/link.js";
import { MemoryLink, type PathState } from "./memory-link.js";

/** What stands at the network's far end. */
export interface MemoryServer {
  /** Takes a first access; rejects with a DuowireError when it is refused. */
  access(frame: AccessFrame): Promise<CommunicationProcess>;
  /** The process with this identification, if it lives. */
  find(id: string): CommunicationProcess | undefined;
  /** Loses all that it knows. */
  forget(): void;
}

/** Faults to let loose on an application under test. Every one of them can happen to a user. */
export class TestNetwork implements Network {
  readonly memory = { upgradesFailUntil: 0 };
  readonly farMs = () => 0;
  private readonly path: PathState = { delayMs: 0, isSilent: false };
  private readonly live = new Set<[MemoryLink, MemoryLink]>();
  private isRefusing = false;
  private isDuplicating = false;
  private reorderMs = 0;
  private connections = 0;

  constructor(
    private readonly clock: Clock,
    private readonly server: MemoryServer,
  ) {}

  /** How long everything takes from now on, one way. */
  delay(ms: number): void {
    this.path.delayMs = ms;
  }

  /** Breaks every connection, and both ends know: a reset, a router that was switched off and on. */
  drop(): void {
    for (const ends of this.live) for (const end of ends) end.die("the connection was dropped by the test", "lost");
    this.live.clear();
  }

  /** Lets nothing through and tells nobody, until {@link heal}: a NAT that forgot, a tunnel, a closed laptop. */
  stall(): void {
    this.path.isSilent = true;
  }

  /** Ends {@link stall} and {@link refuse}. Links that lost something are broken by then: a gap ends a link. */
  heal(): void {
    this.isRefusing = false;
    if (!this.path.isSilent) return;
    this.drop();
    this.path.isSilent = false;
  }

  /** Breaks every connection and refuses new ones until {@link heal}: the machine is there, the server is not. */
  refuse(): void {
    this.isRefusing = true;
    this.drop();
  }

  /**
   * Lets every other connection from now on take `ms` longer, each way: what is sent on it is overtaken by what is sent
   * later on another one. On one connection everything stays in order. 0 ends it.
   */
  reorder(ms: number): void {
    this.reorderMs = ms;
  }

  /** Delivers each request twice from now on, or no more; a WebSocket cannot be. Its copy's answer is lost. */
  duplicate(isOn = true): void {
    this.isDuplicating = isOn;
  }

  /** The server dies without a word, and another one, which knows nothing of the session, is there at once. */
  restartServer(): void {
    this.drop();
    this.server.forget();
  }

  readonly enter = alwaysEntered;

  access(): Link {
    return this.link("access", (far) => this.receiveAccess(far));
  }

  ask(id: string): Link {
    return this.link("access", (far) => this.receiveLink(id, far));
  }

  open(id: string): Link {
    return this.link("memory", (far) => this.receiveLink(id, far));
  }

  farewell(id: string, octets: Uint8Array): void {
    const near = this.ask(id);
    near.listen({ opened() {}, receive() {}, closed() {} });
    near.send(octets);
  }

  private link(kind: LinkKind, receive: (far: MemoryLink) => void): Link {
    const near = this.connect(kind, receive);
    if (this.isDuplicating && kind === "access") {
      near.twin = this.connect(kind, receive);
      near.twin.listen({ opened() {}, receive() {}, closed() {} });
    }
    return near;
  }

  private connect(kind: LinkKind, receive: (far: MemoryLink) => void): MemoryLink {
    this.connections += 1;
    const ends = MemoryLink.pair(kind, this.clock, this.path, this.connections % 2 === 0 ? this.reorderMs : 0);
    const [near, far] = ends;
    if (this.isRefusing) near.die("the test's network refuses connections", "refused");
    else if (!this.path.isSilent) {
      this.live.add(ends);
      near.open();
      receive(far);
    }
    return near;
  }

  private receiveLink(id: string, far: MemoryLink): void {
    const process = this.server.find(id);
    if (process !== undefined) process.accept(far);
    else this.refuseLink(far, new DuowireError("session_unknown"));
  }

  private receiveAccess(far: MemoryLink): void {
    far.listen({
      opened() {},
      closed() {},
      receive: (octets) => void this.acceptAccess(far, octets).catch((error) => this.refuseLink(far, error)),
    });
  }

  private async acceptAccess(far: MemoryLink, octets: Uint8Array): Promise<void> {
    let access: AccessFrame | undefined;
    const rest: Uint8Array[] = [];
    decodeFrames(octets, (frame) => {
      if (frame.type === "access") access = frame;
      else rest.push(encodeFrame(frame));
    });
    if (access === undefined) throw new DuowireError("bad_request");
    const process = await this.server.access(access);
    const taken = new HandedLink(far, rest);
    process.accept(taken, access);
  }

  private refuseLink(far: MemoryLink, error: unknown): void {
    const { code, message } = error instanceof DuowireError ? error : new DuowireError("service_failed");
    far.send(encodeFrame({ type: "refused", code, message }));
    far.close(message);
  }
}

/** A link whose first frames were read by somebody else: they come first. */
class HandedLink implements Link {
  readonly kind = "access";
  readonly queuedBytes = 0;

  constructor(
    private readonly link: MemoryLink,
    private readonly early: readonly Uint8Array[],
  ) {}

  listen(events: Parameters<Link["listen"]>[0]): void {
    this.link.listen(events);
    queueMicrotask(() => {
      for (const frame of this.early) events.receive(frame);
    });
  }

  send(octets: Uint8Array): void {
    this.link.send(octets);
  }

  close(reason: string): void {
    this.link.close(reason);
  }
}
