/**
 * Flows: numbered two-way runs of octets over the one channel between a server's process and a carrier. Octets that the
 * other end has not taken are counted, so that whoever sends can wait, and what waits has a limit.
 */
import type { FlowFinish, FlowMessage, FlowNumber } from "./carrier-messages.js";

/** How a direction of a flow ended. */
export type FlowEnd = FlowFinish["end"];

/** Whom a flow tells what comes. */
export interface FlowEvents {
  /** Octets came. Whoever has passed them on says {@link Flow.took}. */
  receive(octets: Uint8Array): void;
  /** The other side has finished; nothing of it follows. Told once, also when the channel itself is gone. */
  finished(reason: string, end: FlowEnd): void;
  /** The other side took octets: {@link Flow.queuedBytes} is less than it was. */
  drained?(): void;
  /** The other side wants no more. */
  stopped?(reason: string): void;
}

/** Taken octets are told in steps of so many: until then the sender believes that they still wait. */
const TAKEN_STEP_BYTES = 16_384;

/** One flow at one of its ends. */
export class Flow {
  /** Octets that were sent and that the other end has not taken; up to 16 KiB more than is true, never less. */
  queuedBytes = 0;
  /** This end has finished: what it sends is dropped. */
  isFinished = false;
  /** The other end has finished, or is gone. */
  isOver = false;
  private events: FlowEvents | undefined;
  private untoldBytes = 0;

  constructor(
    readonly number: FlowNumber,
    private readonly post: (message: FlowMessage) => void,
    /** Both ends have finished. */
    private readonly forget: () => void,
  ) {}

  /** Names who hears of this flow; called once, before anything comes. */
  listen(events: FlowEvents): void {
    this.events = events;
  }

  /** Sends octets; they are copied. */
  send(octets: Uint8Array): void {
    if (this.isFinished || octets.length === 0) return;
    this.queuedBytes += octets.length;
    this.post({ type: "octets", flow: this.number, octets });
  }

  /** So many of the octets that came are passed on or used up. */
  took(bytes: number): void {
    this.untoldBytes += bytes;
    if (this.untoldBytes < TAKEN_STEP_BYTES || this.isOver) return;
    this.post({ type: "taken", flow: this.number, bytes: this.untoldBytes });
    this.untoldBytes = 0;
  }

  /** Says that nothing of this end follows. Does nothing the second time. */
  finish(reason: string, end: FlowEnd): void {
    if (this.isFinished) return;
    this.isFinished = true;
    this.post({ type: "finish", flow: this.number, reason, end });
    if (this.isOver) this.forget();
  }

  /** Asks the other end to send no more. */
  stop(reason: string): void {
    if (!this.isOver) this.post({ type: "stop", flow: this.number, reason });
  }

  /** A message of the other end. */
  receive(message: FlowMessage): void {
    if (message.type === "octets") this.events?.receive(message.octets);
    else if (message.type === "finish") this.over(message.reason, message.end);
    else if (message.type === "stop") this.events?.stopped?.(message.reason);
    else {
      this.queuedBytes -= message.bytes;
      this.events?.drained?.();
    }
  }

  /** The other end has finished, or is gone. */
  over(reason: string, end: FlowEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.isFinished) this.forget();
    this.events?.finished(reason, end);
  }
}

/** The flows at one end of a channel. */
export class Flows {
  private readonly flows = new Map<FlowNumber, Flow>();
  private lastNumber = 0;

  constructor(private readonly post: (message: FlowMessage) => void) {}

  /** How many have not been finished by both ends. */
  get size(): number {
    return this.flows.size;
  }

  /** Takes a flow that the other end opened, or with the next number opens one. */
  open(number: FlowNumber = this.lastNumber + 1): Flow {
    this.lastNumber = Math.max(this.lastNumber, number);
    const flow = new Flow(number, this.post, () => this.flows.delete(number));
    this.flows.set(number, flow);
    return flow;
  }

  /** A message of the other end. What belongs to a flow that is over here is dropped: the two crossed. */
  receive(message: FlowMessage): void {
    this.flows.get(message.flow)?.receive(message);
  }

  /** The other end is gone: nothing comes, and nothing is sent. */
  end(reason: string): void {
    for (const flow of [...this.flows.values()]) {
      flow.isFinished = true;
      flow.over(reason, "aborted");
    }
    this.flows.clear();
  }
}
