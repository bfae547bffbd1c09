/**
 * Calls between the server's program and a carrier: two peers of rpc/ talk over a flow, one pair for each session. The
 * server's end calls the client (client-relay.ts), the carrier's end the server's groups (groups-relay.ts).
 */
import type { Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { OctetWriter } from "../base/octets.js";
import type { CallLimits, MessageSink, PeerEvents } from "../rpc/messages.js";
import { everyMethod } from "../rpc/method-table.js";
import { RpcPeer } from "../rpc/peer.js";
import { RemoteError } from "../rpc/remote-error.js";
import { describeError, restoreError } from "./carried-error.js";
import type { CarriedError } from "./carrier-messages.js";
import type { Flow } from "./flow.js";

/** What each of the two takes of the other. The client's own limits are checked behind it. */
const limits: CallLimits = { callsInFlightMax: 1_024, messageBytesMax: 67_108_864, referencesMax: 10_000 };
/** Octets of releases and cancels of one turn. */
const URGENT_BYTES_MAX = 65_536;
/** The code of a failure that carries a whole error. */
const RELAYED = "relayed";

/** What the talk over one flow is made with. */
export interface TalkOptions {
  readonly clock: Clock;
  /** Octets of calls that wait in this direction; beyond it they reject `queue_full`. */
  readonly queueBytesMax: number;
  /** What the other end may call: see {@link relayRoot}. */
  readonly root: object;
  readonly events: PeerEvents;
}

/** One end of the talk over a flow. */
export class FlowTalk {
  readonly peer: RpcPeer;
  private readonly sink: FlowSink;
  private isDue = false;

  constructor(
    private readonly flow: Flow,
    private readonly options: TalkOptions,
  ) {
    const { clock, queueBytesMax, root, events } = options;
    this.sink = new FlowSink(flow, queueBytesMax);
    const wake = () => this.wake();
    this.peer = new RpcPeer({ sink: this.sink, wake, clock, limits, root, events, readFailure });
    this.peer.setLimits(limits);
    flow.listen({
      receive: (octets) => this.receive(octets),
      drained: wake,
      finished: (reason) => this.end(new DuowireError("process_crashed", reason, { side: "local" })),
    });
  }

  /** Ends this end, and with it the other: open calls reject with `reason`. Does nothing the second time. */
  end(reason: DuowireError): void {
    this.peer.end(reason);
    this.flow.finish(reason.message, "whole");
  }

  /** Sends what waits for the end of the turn. */
  flush(): void {
    this.isDue = false;
    // First the messages: a release waits until what names its reference has left.
    this.sink.flush();
    const urgent = this.peer.urgent(URGENT_BYTES_MAX);
    this.sink.flush();
    if (urgent !== undefined) this.flow.send(urgent);
  }

  private receive(octets: Uint8Array): void {
    this.peer.receive(octets, 0);
    this.flow.took(octets.length);
    this.wake();
  }

  private wake(): void {
    if (this.isDue) return;
    this.isDue = true;
    this.options.clock.atTurnEnd(() => {
      if (this.isDue) this.flush();
    });
  }
}

/** A root that hands each call to `call`, whatever its method; what that throws crosses with its code and outcome. */
export function relayRoot(call: (method: string, args: unknown[]) => unknown): object {
  return everyMethod(async (method, args) => {
    try {
      return await call(method, args);
    } catch (error) {
      const data = { error: describeError(error), data: error instanceof RemoteError ? error.data : undefined };
      throw Object.assign(new Error("a relayed failure"), { code: RELAYED, data });
    }
  });
}

/** The error as it was at the other end. */
function readFailure(failure: unknown): unknown {
  if (!(failure instanceof RemoteError) || failure.code !== RELAYED) return undefined;
  const { error, data } = failure.data as { error: CarriedError; data: unknown };
  const restored = restoreError(error);
  return data === undefined ? restored : Object.assign(restored, { data });
}

/** Messages into a flow: whole, in order, one send per turn. */
class FlowSink implements MessageSink {
  private readonly writer = new OctetWriter(1_024);
  private begunAt = 0;
  private committed = 0;
  private handed = 0;

  constructor(
    private readonly flow: Flow,
    readonly queueBytesMax: number,
  ) {}

  get queuedBytes(): number {
    return this.committed - this.handed + this.flow.queuedBytes;
  }

  get isFull(): boolean {
    return this.queuedBytes >= this.queueBytesMax;
  }

  begin(): OctetWriter {
    this.begunAt = this.writer.length;
    return this.writer;
  }

  commit(bounded: boolean): number {
    const { queuedBytes, queueBytesMax } = this;
    const bytes = this.writer.length - this.begunAt;
    // What was begun is in no count yet.
    if (bounded && queuedBytes > 0 && queuedBytes + bytes > queueBytesMax) {
      this.rollback();
      const message = `${queuedBytes} octets wait, ${bytes} more are above ${queueBytesMax} (queueBytesMax)`;
      throw new DuowireError("queue_full", message, { side: "local", outcome: "not_sent" });
    }
    this.committed += bytes;
    return this.committed;
  }

  rollback(): void {
    this.writer.length = this.begunAt;
  }

  isHanded(mark: number): boolean {
    return mark <= this.handed;
  }

  flush(): void {
    this.handed = this.committed;
    if (this.writer.length > 0) this.flow.send(this.writer.take());
  }
}
