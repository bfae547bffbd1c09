/**
 * The carrier's end of the channel: makes the communication processes that the server asks for, and brings them their
 * links, requests and calls. They are the same processes, and the same reception, as in the server's own process.
 */
import type { Socket } from "node:net";
import type { ProcessFigures, ProcessObserver } from "../access/communication-process.js";
import { type Clock, platformRandom } from "../base/clock.js";
import type { DuowireError } from "../base/errors.js";
import { acceptWebSocket, webSocketAcceptor } from "../link/websocket-server.js";
import type { PeerEvents } from "../rpc/messages.js";
import { describeError, restoreDuowireError } from "./carried-error.js";
import { answerFetch } from "./carried-fetch.js";
import type { FromCarrier, ToCarrier } from "./carrier-messages.js";
import { clientRelay } from "./client-relay.js";
import { Flows } from "./flow.js";
import { FlowTalk } from "./flow-talk.js";
import { farGroups } from "./groups-relay.js";
import type { ServiceClass } from "./inline.js";
import { RelayedLink, turnAway } from "./relayed-link.js";
import { sessionSecrets } from "./secrets.js";
import { ServiceProcess } from "./service-process.js";

type Order<Type extends ToCarrier["type"]> = Extract<ToCarrier, { readonly type: Type }>;

/** One process, and its calls of and by the server's program. */
interface Carried {
  readonly process: ServiceProcess;
  readonly talk: FlowTalk;
  /** What the server knows of it. */
  figures: ProcessFigures;
}

const NO_FIGURES: ProcessFigures = { callsRunning: 0, callsOpen: 0, queuedBytes: 0 };

/** The processes of one carrier. */
export class CarriedProcesses {
  private readonly processes = new Map<string, Carried>();
  private readonly flows: Flows;
  private readonly webSockets = webSocketAcceptor();

  constructor(
    private readonly service: ServiceClass,
    private readonly clock: Clock,
    private readonly post: (message: FromCarrier) => void,
  ) {
    this.flows = new Flows(post);
  }

  /** What the server says; with `socket`, the one that came along. */
  receive(message: ToCarrier, socket?: Socket): void {
    switch (message.type) {
      case "generate":
        return void this.generate(message);
      case "end":
        return this.find(message.id)?.end(restoreDuowireError(message.reason));
      case "drain":
        return this.find(message.id)?.drain(restoreDuowireError(message.reason), message.withinMs);
      case "link":
        return this.acceptLink(message);
      case "socket":
        return this.acceptSocket(message, socket);
      case "request":
        return void this.answer(message);
      case "ping": {
        const { heapUsed: heapBytes, rss: rssBytes } = process.memoryUsage();
        return this.post({ type: "pong", number: message.number, heapBytes, rssBytes, figures: this.newFigures() });
      }
      case "leave":
        process.exit();
        break;
      default:
        this.flows.receive(message);
    }
  }

  /** The figures that have changed since the last time, so that a thousand quiet sessions cost nothing. */
  private newFigures(): [id: string, figures: ProcessFigures][] {
    const changed: [string, ProcessFigures][] = [];
    for (const [id, carried] of this.processes) {
      const { figures } = carried.process;
      if (isSame(figures, carried.figures)) continue;
      carried.figures = figures;
      changed.push([id, figures]);
    }
    return changed;
  }

  private find(id: string): ServiceProcess | undefined {
    return this.processes.get(id)?.process;
  }

  private async generate({ id, access, secret, grounds, talk: flow }: Order<"generate">): Promise<void> {
    const process: ServiceProcess = new ServiceProcess(access, {
      ...grounds,
      secrets: sessionSecrets(id, secret),
      clock: this.clock,
      random: platformRandom,
      observer: this.observerOf(id),
      groups: farGroups(() => talk.peer.remote),
    });
    const talk: FlowTalk = new FlowTalk(this.flows.open(flow), {
      clock: this.clock,
      queueBytesMax: grounds.queueBytesMax,
      root: clientRelay(() => process.client),
      events: this.talkEvents(id),
    });
    this.processes.set(id, { process, talk, figures: NO_FIGURES });
    try {
      await process.start(this.service);
    } catch (error) {
      this.processes.delete(id);
      return this.post({ type: "refused", id, error: describeError(error) });
    }
    this.post({ type: "generated", id });
    void process.ended.then((reason) => this.ended(id, reason));
    void process.disposed.then(() => this.disposed(id));
  }

  private observerOf(id: string): ProcessObserver {
    return {
      serviceError: (_access, method, error) => this.tell("service_error", id, method, error),
      callFailed: (_access, method, error) => this.tell("call_failed", id, method, error),
      referencesHigh: (_access, lent, referencesMax) => this.post({ type: "references_high", id, lent, referencesMax }),
      bug: (_access, error) => this.post({ type: "bug", id, error: describeError(error) }),
      // Told with the link and the attach, below.
      stateChanged: () => undefined,
      changed: () => this.tellState(id),
    };
  }

  private talkEvents(id: string): PeerEvents {
    return {
      callFailed: (method, error) => this.tell("call_failed", id, `group.${method}`, error),
      bug: (error) => this.post({ type: "bug", id, error: describeError(error) }),
    };
  }

  private ended(id: string, reason: DuowireError): void {
    // What the session's end did to open calls is told at the end of this turn; the end itself behind that.
    this.clock.atTurnEnd(() => {
      this.processes.get(id)?.talk.flush();
      this.post({ type: "ended", id, reason: describeError(reason) });
    });
  }

  private disposed(id: string): void {
    this.clock.atTurnEnd(() => {
      this.processes.delete(id);
      this.post({ type: "disposed", id });
    });
  }

  private acceptLink({ id, flow: number, kind, proof }: Order<"link">): void {
    const flow = this.flows.open(number);
    const link = new RelayedLink(kind, flow);
    const process = this.find(id);
    if (process !== undefined) return process.accept(link, proof);
    turnAway(link, "the session has ended");
  }

  private acceptSocket({ id, number, request, head }: Order<"socket">, socket: Socket | undefined): void {
    this.post({ type: "socket_taken", number });
    const process = this.find(id);
    // It was closed on the way, or the session was.
    if (socket === undefined) return;
    socket.on("error", () => socket.destroy());
    if (process === undefined) return void socket.destroy();
    const { method, url, headers } = request;
    // The part of a request that `ws` reads.
    const asked = { method, url, headers: Object.fromEntries(headers), socket } as never;
    this.webSockets.handleUpgrade(asked, socket, Buffer.from(head), (webSocket) => {
      process.accept(acceptWebSocket(webSocket));
    });
  }

  private async answer(order: Order<"request">): Promise<void> {
    const flow = this.flows.open(order.flow);
    const process = this.find(order.id);
    const serve = async (request: Request) =>
      process === undefined ? new Response("this session has ended\n", { status: 410 }) : process.fetch(request);
    await answerFetch(flow, order, serve, (response) => this.post({ type: "answer", flow: order.flow, response }));
  }

  private tell(type: "service_error" | "call_failed", id: string, method: string, error: unknown): void {
    this.post({ type, id, method, error: describeError(error) });
  }

  private tellState(id: string): void {
    const process = this.find(id);
    if (process === undefined) return;
    const { state, linkKind, lastAttach } = process;
    this.post({ type: "state", id, state, linkKind, lastAttach });
  }
}

function isSame(one: ProcessFigures, other: ProcessFigures): boolean {
  const { callsRunning, callsOpen, queuedBytes } = one;
  return callsRunning === other.callsRunning && callsOpen === other.callsOpen && queuedBytes === other.queuedBytes;
}
