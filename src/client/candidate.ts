/** A link that may become the session's: until it attaches, its events go to its owner; from then on to the driver. */
import type { Driver } from "../driver/driver.js";
import type { Link, LinkEnd, LinkEvents } from "../frame/link.js";
import type { AttachProof } from "../session/outputs.js";

/** Who decides what becomes of candidates. */
export interface CandidateOwner {
  opened(candidate: Candidate): void;
  /** Octets came over a candidate that is not attached. */
  received(candidate: Candidate, octets: Uint8Array): void;
  closed(candidate: Candidate, reason: string, end: LinkEnd): void;
}

/** One attempt at a path to the server. */
export class Candidate implements LinkEvents {
  /** The link let frames through at some time. */
  wasOpen = false;
  /** How often octets came. */
  heard = 0;
  /** Its attach was answered: it carried the session. */
  isWelcomed = false;
  /** A PING was sent to see whether the path lets octets through before it takes over (D11). */
  isProbing = false;
  /** The answer to the PING came. */
  isProven = false;
  /** When it came. */
  echoAt: number | undefined;
  private number: number | undefined;

  constructor(
    readonly link: Link,
    readonly startedAt: number,
    private readonly driver: Driver,
    private readonly owner: CandidateOwner,
  ) {
    link.listen(this);
  }

  /** Its link is more than plain HTTP. */
  get isUpgrade(): boolean {
    const { kind } = this.link;
    return kind !== "http-exchange" && kind !== "access";
  }

  get isAttached(): boolean {
    return this.number !== undefined;
  }

  /** Makes this the session's link, or asks for it; what was queued so far travels with it. */
  attach(proof: AttachProof, incarnation: Uint8Array, oneWrite: boolean): void {
    this.number = this.driver.adopt(this.link);
    this.driver.attach(this.number, proof, incarnation, oneWrite);
  }

  /** Has this accompany the session's link. */
  accompany(proof: AttachProof, incarnation: Uint8Array): void {
    this.number = this.driver.adopt(this.link);
    this.driver.accompany(this.number, proof, incarnation);
  }

  /** Lets the link go; from now on nothing of it counts. */
  abandon(reason: string): void {
    if (this.number !== undefined) this.driver.linkClosed(this.number);
    this.link.close(reason);
  }

  opened(): void {
    this.wasOpen = true;
    this.owner.opened(this);
  }

  receive(octets: Uint8Array): void {
    this.heard += 1;
    if (this.number === undefined) this.owner.received(this, octets);
    else this.driver.receive(this.number, octets);
  }

  closed(reason: string, end: LinkEnd): void {
    if (this.number !== undefined) this.driver.linkClosed(this.number);
    this.owner.closed(this, reason, end);
  }
}
