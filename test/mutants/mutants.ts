/**
 * Bugs to plant in the core: the test of the simulator. Each replaces a text that occurs exactly once, so that whoever
 * rewrites the place is told that a mutant has to follow. The first twelve are those of D37.
 */
import type { Patch } from "../sim/bundle.js";

/** A planted bug. */
export interface Mutant extends Patch {
  /** What is wrong with it. */
  readonly name: string;
}

const session = "src/session/session.ts";
const acknowledging = "src/session/acknowledging.ts";
const inbox = "src/session/inbox.ts";
const sending = "src/session/sending.ts";
const outbox = "src/session/outbox.ts";
const outgoing = "src/session/outgoing.ts";
const attachment = "src/session/attachment.ts";
const takeover = "src/session/takeover.ts";
const timers = "src/session/timers.ts";
const driver = "src/driver/driver.ts";
const second = "src/client/second-communication.ts";
const reception = "src/host/reception.ts";

/** All of them. */
export const mutants: readonly Mutant[] = [
  {
    name: "ack off by one",
    file: acknowledging,
    find: `encodeFrame({ type: "ack", sequence: this.inbox.received })`,
    replace: `encodeFrame({ type: "ack", sequence: this.inbox.received + 1 })`,
  },
  {
    name: "ack before deliver",
    file: session,
    find: `if (messages !== undefined) this.outputs.push({ type: "deliver", messages });`,
    replace: `const early = encodeFrame({ type: "ack", sequence: this.inbox.received });
    const { link } = this.attached;
    if (link !== undefined) this.outputs.push({ type: "transmit", link, frames: [early] });
    if (messages !== undefined) this.outputs.push({ type: "deliver", messages });`,
  },
  {
    name: "duplicate applied after takeover",
    file: inbox,
    find: `if (frame.sequence <= this.received) {
      this.duplicates += 1;
      return undefined;
    }`,
    replace: `if (frame.sequence <= this.received) {
      this.duplicates += 1;
      return frame.type === "batch" && frame.sequence === this.received ? frame.messages : undefined;
    }`,
  },
  {
    name: "an attach with the same number takes over (>= for >)",
    file: takeover,
    find: `if (attach.attach > accepted.attach) return "takeover";`,
    replace: `if (attach.attach >= accepted.attach) return "takeover";`,
  },
  {
    name: "frames of the losing link are applied",
    file: session,
    find: `if (this.state === "closed" || !this.attached.admit(link, frame.type)) return;`,
    replace: `if (this.attached.link === undefined || this.state === "closed") return;`,
  },
  {
    name: "a first access whose welcome was lost is stale when it comes again",
    file: takeover,
    find: `return attach.type === "access" && attach.attach === accepted.attach ? "takeover" : "stale";`,
    replace: `return "stale";`,
  },
  {
    name: "a fragment is put in twice",
    file: inbox,
    find: `assembly.left = frame.left;`,
    replace: `if (assembly.parts.length === 2) assembly.parts.push(frame.octets.slice());
    assembly.left = frame.left;`,
  },
  {
    name: "the window never opens again",
    file: outbox,
    find: `this.unackedBytes -= frame.length;`,
    replace: ``,
  },
  {
    name: "close overtakes data",
    file: session,
    find: `this.attached.queue(closeFrame(this.reason, this.sending.sent));`,
    replace: `this.attached.queue(closeFrame(this.reason, this.sending.sent + 1));`,
  },
  {
    name: "an attach that is refused renews the lease",
    file: session,
    find: `const verdict = judgeAttach(this.accepted, attach, this.attached.isWritable);`,
    replace: `const verdict = judgeAttach(this.accepted, attach, this.attached.isWritable);
    this.timers.received(now);`,
  },
  {
    name: "urgent messages wait for the window",
    file: session,
    find: `this.sending.urgentRoom(WINDOW_RESERVE_BYTES)`,
    replace: `this.sending.urgentRoom(0)`,
  },
  {
    name: "a repeated access runs twice",
    file: "src/access/process-generation.ts",
    find: `if (nonce !== undefined) this.#remember(nonce, id);`,
    replace: ``,
  },
  {
    name: "what was heard beside the link before is heard beside the next one",
    file: attachment,
    find: `this.dropHeard("a newer link took over");`,
    replace: ``,
  },
  {
    name: "a companion takes the place of the link that it accompanies",
    file: takeover,
    find: `return isNext && isAttached ? "companion" : "stale";`,
    replace: `return isNext && isAttached ? "takeover" : "stale";`,
  },
  {
    name: "a companion must have no gaps",
    file: inbox,
    find: `if (isBeside) return undefined;`,
    replace: ``,
  },
  {
    name: "an acknowledgement that a companion overtook is a violation",
    file: session,
    find: `if (frame.sequence >= this.sending.acked) this.sending`,
    replace: `this.sending`,
  },
  {
    name: "a repeated access says that it is the first",
    file: "src/client/first-communication.ts",
    find: `const triedMsAgo = this.triedMsAgo(now, candidate);`,
    replace: `const triedMsAgo = 0;`,
  },
  {
    name: "the server replays nothing after a takeover",
    file: session,
    find: `this.replay(now, isAnswer ? EARLY_BYTES_MAX : undefined);`,
    replace: ``,
  },
  {
    name: "the client replays nothing when it attaches",
    file: session,
    find: `this.acknowledging.stated();
    this.replay(now);`,
    replace: `this.acknowledging.stated();`,
  },
  {
    name: "welcome acknowledges nothing",
    file: session,
    find: `this.sending.acknowledge(welcome.received, now);`,
    replace: ``,
  },
  {
    name: "a pong ends the wait for an acknowledgement",
    file: timers,
    find: `this.pingSentAt = undefined;
    this.progressed(now, more);`,
    replace: `this.pingSentAt = undefined;
    this.progressed(now, false);`,
  },
  {
    name: "the acknowledgement of a batch that came again is due for ever",
    file: acknowledging,
    find: `return this.timers.ackSettled();`,
    replace: `return;`,
  },
  {
    name: "fragments keep views of octets that belong to the link",
    file: inbox,
    find: `assembly.parts.push(frame.octets.slice());`,
    replace: `assembly.parts.push(frame.octets);`,
  },
  {
    name: "the window is not looked at",
    file: sending,
    find: `const content = room > 0 ? this.outgoing.next(room) : undefined;`,
    replace: `const content = this.outgoing.next(BATCH_BYTES_MAX);`,
  },
  {
    name: "a message that is half cut is said to have left, and one that left is not",
    file: outgoing,
    find: `mark <= this.shortBytesHanded`,
    replace: `mark < this.shortBytesHanded - 100`,
  },
  {
    name: "a client that was superseded comes back",
    file: reception,
    find: `if (this.superseded.some((one) => sameOctets(one, attach.incarnation)))`,
    replace: `if (this.superseded.length < 0)`,
  },
  {
    name: "the end of the first conversation closes the link of the one that follows",
    file: driver,
    find: `if (verdict === "supersede") this.links.delete(link);`,
    replace: ``,
  },
  {
    name: "the clock of a peer that slept is believed for ever",
    file: "src/session/session-clock.ts",
    find: `this.peerAheadMs = clockMs - (now - this.startedAt);`,
    replace: `this.stated(clockMs, now);`,
  },
  {
    name: "a link that is late to prove itself ends the session",
    file: reception,
    find: `() => this.giveUp());`,
    replace: `() => this.refuse("no attach came in time"));`,
  },
  {
    name: "a refusal that comes instead of the echo is not heard",
    file: second,
    find: `if (frame.type === "refused") return this.refusedUnattached(candidate, frame);`,
    replace: ``,
  },
  {
    name: "timers come before what has come in a pause",
    file: "src/base/clock.ts",
    find: `clock.after(ms, () => clock.atTurnEnd(runLater))`,
    replace: `clock.after(ms, runLater)`,
  },
  {
    name: "a closed session leaves its timer",
    file: driver,
    find: `if (this.cancelTimer !== undefined || next === Number.POSITIVE_INFINITY) return;
    this.timerAt = next;`,
    replace: `if (this.cancelTimer !== undefined) return;
    this.timerAt = next;`,
  },
];
