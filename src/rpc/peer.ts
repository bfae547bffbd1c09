/**
 * One end of a conversation: calls both ways, and what they lend. It is pure: messages go into a sink, time comes from
 * a clock, and what comes from the far side is handed in. spec/rpc.md is the normative text.
 */
import type { Clock } from "../base/clock.js";
import { type DuowireError, protocolError } from "../base/errors.js";
import { malformed } from "../base/messagepack.js";
import { OctetReader, OctetWriter } from "../base/octets.js";
import type { Channel } from "./channel.js";
import { Channels } from "./channels.js";
import type { EncodedCall } from "./group.js";
import { IncomingCalls } from "./incoming-calls.js";
import type { CallSession, Interceptor } from "./interceptors.js";
import {
  BREAK,
  CALL,
  CALL_WITH_OPTIONS,
  CANCEL,
  type CallLimits,
  CREDIT,
  END,
  FAILURE,
  ITEM,
  type MessageSink,
  OPEN,
  type PeerContext,
  type PeerEvents,
  RELEASE,
  RESULT,
  REVOKE,
  readNumber,
  STOP,
  STOP_WITH_REASON,
} from "./messages.js";
import { OutgoingCalls } from "./outgoing-calls.js";
import type { RemoteCall } from "./remote-call.js";
import type { Streams } from "./streams.js";
import { type CallOptions, makeStub } from "./stub.js";

/** How long after its last item a stream that is read counts as owed: whoever waits longer knows why. */
const FLOW_MS = 5_000;

/** What a peer is made with. */
export interface RpcPeerOptions {
  readonly sink: MessageSink;
  /** Called whenever something was queued. */
  readonly wake: () => void;
  readonly clock: Clock;
  /** What this side announces. */
  readonly limits: CallLimits;
  /** What the far side may call: a Service, a Target, or a plain object with functions. Nothing if left out. */
  readonly root?: object | undefined;
  /** Calls that come wait until {@link RpcPeer.serve}. */
  readonly awaitsRoot?: boolean;
  readonly events?: PeerEvents;
  /** Whether the stacks of errors thrown here cross the wire. False unless set. */
  readonly stacks?: boolean;
  /** What runs around each call that is made or answered here; the first is outermost. */
  readonly interceptors?: readonly Interceptor[] | undefined;
  /** The session that this peer belongs to, as interceptors and methods may know it. */
  readonly session?: () => CallSession;
  /**
   * What a call fails with whose FAILURE carried this; undefined leaves it to the rules of the wire. For a far side
   * that is a relay of our own: it speaks of errors that the rules would not believe.
   */
  readonly readFailure?: (failure: unknown) => unknown;
}

/**
 * The calls of one session at one of its ends: what a driver calls its application. Make it together with the session:
 * deadlines count from there.
 */
export class RpcPeer {
  private readonly context: PeerContext;
  private readonly outgoing: OutgoingCalls;
  private readonly incoming: IncomingCalls;
  private root: object | undefined;
  private channels: Channels | undefined;

  constructor({ root, awaitsRoot = false, events = {}, stacks = false, ...options }: RpcPeerOptions) {
    const { sink, wake, clock, limits, session, readFailure } = options;
    const interceptors = options.interceptors?.length ? options.interceptors : undefined;
    const given = { sink, wake, clock, limits, events, stacks, interceptors, session, readFailure };
    this.context = { ...given, ended: undefined };
    this.outgoing = new OutgoingCalls(this.context);
    this.incoming = new IncomingCalls(this.context, this.outgoing.references, awaitsRoot);
    if (root) this.incoming.serve(root);
  }

  /** The stub of the far side's root. The same one each time. */
  get remote(): unknown {
    this.root ??= makeStub(this.outgoing) as object;
    return this.root;
  }

  /** A stub of the far side's root whose calls have these options (D19). */
  remoteWith(options: CallOptions): unknown {
    return makeStub(this.outgoing, undefined, false, options);
  }

  /** Calls the far side's root with what was written before (group.ts). */
  callEncoded(call: EncodedCall): RemoteCall<unknown> {
    return this.outgoing.callEncoded(call);
  }

  /** Sets what the far side may call, and starts the calls that waited for it. */
  serve(root: object): void {
    this.incoming.serve(root);
  }

  /** Opens this side's end of a channel; see {@link Channels.open}. */
  channel(name: string): Channel {
    return this.useChannels().open(name);
  }

  /** Whether the far side owes an answer, or a stream that was flowing. */
  get isBusy(): boolean {
    return this.outgoing.openCount > 0 || this.streams?.hasFlowed(FLOW_MS) === true;
  }

  /** Whether there is more to send as soon as less waits in the queue. */
  get isHeldBack(): boolean {
    return this.streams?.isHeldBack === true;
  }

  /** For observers, and for whoever asks whether a session is idle. */
  get figures() {
    const { openCount, waitingCount, lateAnswers, references } = this.outgoing;
    const { lentCount, heldCount } = references;
    const streams = this.streams?.figures ?? { sendingCount: 0, receivingCount: 0, channelCount: 0 };
    return {
      openCount,
      waitingCount,
      lateAnswers,
      lentCount,
      heldCount,
      runningCount: this.incoming.openCount,
      ...streams,
    };
  }

  /** What the far side takes; at the start, and again whenever it is told. */
  setLimits(limits: CallLimits): void {
    this.outgoing.setLimits(limits);
  }

  /**
   * Whole messages, once and in order. `peerClockMs` is the far side's session clock now. Throws MalformedOctets or a
   * DuowireError for a violation: the session must be ended. What methods throw never comes out here.
   */
  receive(messages: Uint8Array, peerClockMs: number): void {
    const reader = new OctetReader(messages);
    while (reader.offset < reader.end && !this.context.ended) this.receiveMessage(reader, peerClockMs);
    this.incoming.resume();
  }

  /** Messages that take effect before a replay: only CANCEL. Throws as {@link receive} does. */
  receiveAhead(messages: Uint8Array): void {
    const reader = new OctetReader(messages);
    while (reader.remaining > 0) {
      if (reader.u16() !== CANCEL) malformed("only CANCEL may go ahead");
      this.incoming.cancel(readNumber(reader));
    }
    this.incoming.resume();
  }

  /** Messages that go although the window is full, of at most `bytesMax` octets; undefined for none. */
  urgent(bytesMax: number): Uint8Array | undefined {
    this.incoming.resume();
    const { streams } = this;
    streams?.pump();
    if (!this.outgoing.hasUrgent && !streams?.hasUrgent) return undefined;
    const writer = new OctetWriter();
    this.outgoing.writeUrgent(writer, bytesMax);
    this.outgoing.references.writeUrgent(writer, bytesMax);
    streams?.writeUrgent(writer, bytesMax);
    return writer.length > 0 ? writer.take() : undefined;
  }

  /** Messages of at most `bytesMax` octets that take effect before a replay; undefined for none. */
  ahead(bytesMax: number): Uint8Array | undefined {
    const writer = new OctetWriter();
    this.outgoing.writeAhead(writer, bytesMax);
    return writer.length > 0 ? writer.take() : undefined;
  }

  /** The session is over: all calls fail, running methods are told, references end. */
  end(reason: DuowireError): void {
    if (this.context.ended) return;
    this.context.ended = reason;
    this.outgoing.end(reason);
    this.incoming.end(reason);
  }

  private receiveMessage(reader: OctetReader, peerClockMs: number): void {
    const head = reader.u16();
    switch (head) {
      case CALL:
      case CALL_WITH_OPTIONS:
        return this.incoming.receive(reader, head === CALL_WITH_OPTIONS, peerClockMs);
      case RESULT:
      case FAILURE:
        return this.outgoing.receiveAnswer(reader, head === FAILURE);
      case CANCEL:
        return this.incoming.cancel(readNumber(reader));
      case RELEASE:
        return this.outgoing.references.receiveRelease(readNumber(reader), readNumber(reader));
      case REVOKE:
        return this.outgoing.references.receiveRevoke(readNumber(reader));
    }
    if (head === OPEN) return this.useChannels().receiveOpen(reader);
    // A side that has lent no stream and taken none: nobody may speak of one.
    if (!this.streams) throw protocolError(`unknown message ${head.toString(16)}`);
    this.receiveOfStream(this.streams, head, reader);
  }

  private receiveOfStream(streams: Streams, head: number, reader: OctetReader): void {
    switch (head) {
      case CREDIT:
        return streams.receiveCredit(reader);
      case ITEM:
        return streams.receiveItem(reader);
      case END:
        return streams.receiveEnd(reader);
      case BREAK:
        return streams.receiveBreak(reader);
      case STOP:
      case STOP_WITH_REASON:
        return streams.receiveStop(reader, head === STOP_WITH_REASON);
    }
    throw protocolError(`unknown message ${head.toString(16)}`);
  }

  private useChannels(): Channels {
    const { references } = this.outgoing;
    this.channels ??= new Channels(this.context, references, references.useStreams());
    return this.channels;
  }

  private get streams(): Streams | undefined {
    return this.outgoing.references.streams;
  }
}
