/**
 * The server's end of the one channel to a carrier: which process, flow or socket a message is about. All sessions that
 * share a carrier share it.
 */
import type { Socket } from "node:net";
import type { ProcessFigures } from "../access/communication-process.js";
import type { Carrier, CarrierEnd } from "./carrier.js";
import { crashError } from "./carrier-end.js";
import type { CarriedRequest, CarriedResponse, FlowNumber, FromCarrier, ToCarrier } from "./carrier-messages.js";
import { type Flow, Flows } from "./flow.js";
import { MovingSocket } from "./socket-hand-off.js";

/** What a carrier says of one session. */
export type SessionMessage = Extract<FromCarrier, { readonly id: string }>;

/** A process as its channel sees it. */
export interface ChannelSession {
  receive(message: SessionMessage): void;
  /** How much it has under way now. */
  figuresCame(figures: ProcessFigures): void;
  /** The carrier is gone. */
  crashed(end: CarrierEnd): void;
}

const channels = new WeakMap<Carrier, CarrierChannel>();

/** The channel to a carrier: the same one each time. */
export function channelTo(carrier: Carrier): CarrierChannel {
  const known = channels.get(carrier);
  if (known !== undefined) return known;
  const channel = new CarrierChannel(carrier);
  channels.set(carrier, channel);
  return channel;
}

/** See {@link channelTo}. */
export class CarrierChannel {
  private readonly sessions = new Map<string, ChannelSession>();
  private readonly flows = new Flows((message) => this.post(message));
  private readonly answers = new Map<FlowNumber, (response: CarriedResponse) => void>();
  /** Sockets that the carrier has not confirmed. */
  private readonly sockets = new Map<number, MovingSocket>();
  private lastSocket = 0;
  private memory: number | undefined;

  constructor(readonly carrier: Carrier) {
    carrier.listen((message) => this.receive(message));
    void carrier.ended.then((end) => this.ended(end));
  }

  post(message: ToCarrier): void {
    this.carrier.post(message);
  }

  add(id: string, session: ChannelSession): void {
    this.sessions.set(id, session);
  }

  remove(id: string): void {
    this.sessions.delete(id);
  }

  openFlow(): Flow {
    return this.flows.open();
  }

  /** Opens a flow whose other end answers with the head of a response, once. */
  openRequest(answered: (response: CarriedResponse) => void): Flow {
    const flow = this.flows.open();
    this.answers.set(flow.number, answered);
    return flow;
  }

  /** The request of this flow is over, answered or not. */
  closeRequest(flow: Flow): void {
    this.answers.delete(flow.number);
  }

  /** Moves a socket to the carrier; it is closed when the carrier ends before it was taken. */
  sendSocket(id: string, request: CarriedRequest, head: Uint8Array, socket: Socket): void {
    this.lastSocket += 1;
    const number = this.lastSocket;
    this.sockets.set(number, new MovingSocket(socket));
    this.carrier.post({ type: "socket", id, number, request, head }, socket);
  }

  /** What the carrier takes of memory, as it last said: a thread its heap, a process what is resident. */
  get memoryBytes(): number | undefined {
    return this.memory;
  }

  private receive(message: FromCarrier): void {
    switch (message.type) {
      case "octets":
      case "taken":
      case "finish":
      case "stop":
        return this.flows.receive(message);
      case "answer":
        return this.answers.get(message.flow)?.(message.response);
      case "socket_taken":
        return this.socketTaken(message.number);
      case "pong":
        return this.figuresCame(message);
      case "ready":
      case "unusable":
      case "dying":
        // The carrier's own business.
        return;
      default:
        this.sessions.get(message.id)?.receive(message);
    }
  }

  private figuresCame({ heapBytes, rssBytes, figures }: Extract<FromCarrier, { readonly type: "pong" }>): void {
    this.memory = this.carrier.kind === "thread" ? heapBytes : rssBytes;
    for (const [id, newest] of figures) this.sessions.get(id)?.figuresCame(newest);
  }

  private socketTaken(number: number): void {
    this.sockets.get(number)?.taken();
    this.sockets.delete(number);
  }

  private ended(end: CarrierEnd): void {
    for (const socket of this.sockets.values()) socket.lost();
    this.sockets.clear();
    const sessions = [...this.sessions.values()];
    this.sessions.clear();
    for (const session of sessions) session.crashed(end);
    this.flows.end(crashError(end).message);
    this.answers.clear();
  }
}
