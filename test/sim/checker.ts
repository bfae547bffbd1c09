/**
 * What must be true, judged from what was sent, what passed the network and what was delivered. It shares no code with
 * the core: a mistake there cannot be repeated here.
 */

import type { End } from "./end.js";
import { demand, SimulationFailure } from "./failure.js";
import type { Message } from "./messages.js";
import { Party } from "./party.js";
import type { Watcher } from "./path.js";
import { wireFrames, wireTypes } from "./wire.js";
import type { Machine } from "./world.js";

/** Knows every party and sees every octet. */
export class Checker implements Watcher {
  readonly parties: Party[] = [];
  deliveries = 0;
  /** The link whose octets are being received right now. */
  link: End | undefined;

  constructor(
    readonly random: { chance(probability: number): boolean },
    readonly isTraced: boolean,
    private readonly partyOf: (end: End) => Party | undefined,
    private readonly print: (who: string, what: string) => void,
    /** Counts what happened, so that it can be seen how much of it was met. */
    private readonly count: (mark: string) => void = () => {},
  ) {}

  /** A companion asks, or is let in. */
  companion(what: string): void {
    this.count(`companion ${what}`);
  }

  party(side: Party["side"], conversation: number, machine: Machine, queueBytesMax: number): Party {
    const party = new Party(this, this.parties.length + 1, side, conversation, machine, queueBytesMax);
    this.parties.push(party);
    return party;
  }

  note(party: Party, what: string): void {
    if (this.isTraced) this.print(party.name, what);
  }

  /** Who sent a message that `receiver` got: the other half of its conversation, or something is wrong. */
  senderOf(message: Message, receiver: Party): Party {
    const sender = this.parties[message.sender - 1];
    if (sender === undefined || sender.conversation !== receiver.conversation || sender.side === receiver.side) {
      throw new SimulationFailure("not_sent", `${receiver.name} got a message of ${sender?.name ?? message.sender}`);
    }
    return sender;
  }

  /** A party was told the end: by then it must have all that the other half handed to links before it said CLOSE. */
  checkClose(party: Party, code: string): void {
    const other = this.otherOf(party);
    if (other?.saidClose?.code !== code) return;
    const { gotCount, saidClose } = other;
    const isComplete = gotCount.short >= saidClose.handed.short && gotCount.urgent >= saidClose.handed.urgent;
    const counts = () => `${JSON.stringify(gotCount)} of ${JSON.stringify(saidClose.handed)}`;
    demand(isComplete, "close", () => `${party.name} was told the end and had got ${counts()} of ${other.name}`);
  }

  /** `party` acknowledges the other half's batches. */
  checkAcknowledged(party: Party, sequence: number): void {
    this.otherOf(party)?.acknowledged(sequence);
  }

  /** A server's end says WELCOME: to each attach once, but for a first access that comes again (D1). */
  checkWelcomed({ connection, name }: End): void {
    const isAgain = connection.original?.isWelcomed === true && !connection.isFirstAccess;
    demand(!isAgain, "stranger", () => `${name} is welcomed, and its attach had been welcomed before`);
    connection.isWelcomed = true;
  }

  sent(end: End, octets: Uint8Array): void {
    const party = this.partyOf(end);
    if (party === undefined) return;
    for (const frame of wireFrames(octets)) party.hands(frame, end);
  }

  received(end: End, octets: Uint8Array, run: () => void): void {
    const party = this.partyOf(end);
    if (party !== undefined) {
      for (const frame of wireFrames(octets)) party.hears(frame, end);
      if (party.isAliveBy(octets, end)) party.lastHeardMs = party.machine.monotonicMs();
      const other = this.otherOf(party);
      if (other !== undefined)
        for (const { sequence, type } of wireFrames(octets)) if (type !== wireTypes.ack) other.arrives(sequence);
    }
    const before = this.link;
    this.link = end;
    try {
      run();
    } finally {
      this.link = before;
    }
  }

  private otherOf(party: Party): Party | undefined {
    return this.parties.findLast((one) => one.conversation === party.conversation && one.side !== party.side);
  }
}
