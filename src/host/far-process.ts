/**
 * A communication process that runs in a carrier, as the server's parts see it: each question is answered from what the
 * carrier has reported, each link, request and call is passed on.
 */
import type {
  Access,
  AccessProof,
  CommunicationProcess,
  ProcessFigures,
  ProcessGrounds,
  ProcessPlace,
  ProcessState,
  Upgrade,
} from "../access/communication-process.js";
import type { CancelTimer } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import { WINDOW_RESERVE_BYTES, WRITE_BYTES_MAX } from "../frame/limits.js";
import type { Link, LinkKind } from "../frame/link.js";
import type { EncodedCall } from "../rpc/group.js";
import { describeError, restoreDuowireError, restoreError } from "./carried-error.js";
import { CarriedFetch, headOf, waitingBytesOf } from "./carried-fetch.js";
import type { CarrierEnd } from "./carrier.js";
import type { CarrierChannel, ChannelSession, SessionMessage } from "./carrier-channel.js";
import { crashError } from "./carrier-end.js";
import type { Flow } from "./flow.js";
import { FlowTalk } from "./flow-talk.js";
import { groupsRelay } from "./groups-relay.js";
import { ADMISSIONS_KEPT } from "./reception.js";
import { relayLink, turnAway } from "./relayed-link.js";
import { canMove } from "./socket-hand-off.js";

/** How long a carrier may take to make a process: more than `opened()` may take. */
const GENERATE_MS_MAX = 12_000;
/** How long one may take to end a process, which waits a second for its client. */
const END_MS_MAX = 3_000;
/** How long one may take to dispose of a service: more than `[Symbol.asyncDispose]()` may take. */
const DISPOSE_MS_MAX = 12_000;

/**
 * Links that the carrier is not done with. With a dead one it is done at once, unless it hangs: then an honest client
 * tries another every 400 ms, for the 10 s until the carrier is killed.
 */
const LINKS_MAX = 32;
/** Octets of requests of hypertext that may wait for the carrier; a request beyond it is refused. */
const REQUEST_BYTES_MAX = 8_388_608;
/** The client's program may ask again after this long. */
const BUSY_RETRY_MS = 1_000;
const TOO_MANY_REQUESTS = "as many requests wait for the process of this session as it takes";

/** One process in a carrier. */
export class FarProcess implements CommunicationProcess, ChannelSession {
  state: ProcessState = "waiting";
  linkKind: LinkKind | undefined;
  /** At most some seconds old; of a process that hangs, what it said before. */
  figures: ProcessFigures = { callsRunning: 0, callsOpen: 0, queuedBytes: 0 };
  readonly ended: Promise<DuowireError>;
  private readonly made: Deferred<void> = deferred();
  private readonly end_: Deferred<DuowireError> = deferred();
  private lastAttach = 0;
  private readonly talkFlow: Flow;
  private readonly talk: FlowTalk;
  private readonly links = new Map<Flow, Link>();
  private requestBytes = 0;
  /** Why it is being ended, once it is. */
  private endReason: DuowireError | undefined;
  private isOver = false;
  private isReleased = false;
  private cancelTimer: CancelTimer | undefined;

  constructor(
    readonly access: Access,
    private readonly grounds: ProcessGrounds,
    private readonly channel: CarrierChannel,
    /** Nothing of the session is left in the carrier, or never will be. */
    private readonly released: () => void,
  ) {
    this.ended = this.end_.promise;
    const { clock, groups, observer, queueBytesMax } = grounds;
    this.talkFlow = channel.openFlow();
    this.talk = new FlowTalk(this.talkFlow, {
      clock,
      queueBytesMax,
      root: groupsRelay(groups, access.id),
      events: {
        callFailed: (method, error) => observer.callFailed(access, method, error),
        serviceError: (method, error) => observer.serviceError(access, method, error),
        slowConsumer: (reason) => this.end(reason),
        bug: (error) => observer.bug(access, error),
      },
    });
  }

  /** Has the carrier make it; rejects `service_failed` or `process_crashed`, and is released then. */
  start(): Promise<void> {
    const { access, channel, grounds } = this;
    const { leaseMs, links, limits, queueBytesMax, errorStacks = false, secrets, clock } = grounds;
    const { id } = access;
    channel.add(id, this);
    channel.post({
      type: "generate",
      id,
      access,
      secret: secrets.session(id),
      grounds: { leaseMs, links, limits, queueBytesMax, errorStacks },
      talk: this.talkFlow.number,
    });
    this.cancelTimer = clock.after(GENERATE_MS_MAX, () => {
      const message = `the carrier did not make the service within ${GENERATE_MS_MAX} ms`;
      const reason = new DuowireError("service_failed", message, { side: "local" });
      // One that is made later would live on in no list.
      channel.post({ type: "end", id, reason: describeError(reason) });
      this.notMade(reason);
    });
    return this.made.promise;
  }

  /** The stub of what the client exposes, as far as two hops allow: see client-relay.ts. */
  get client(): unknown {
    return this.talk.peer.remote;
  }

  callEncoded(call: EncodedCall): PromiseLike<unknown> {
    return this.talk.peer.callEncoded(call);
  }

  accept(link: Link, proof?: AccessProof): void {
    if (this.isOver) return turnAway(link, "the session has ended");
    // A process that turns says no by itself; what waits for one that hangs costs the server.
    if (this.linksCount >= LINKS_MAX) return turnAway(link, "the process does not answer its links");
    const flow = this.channel.openFlow();
    this.channel.post({ type: "link", id: this.access.id, flow: flow.number, kind: link.kind, proof });
    this.links.set(flow, link);
    relayLink(link, flow, {
      clock: this.grounds.clock,
      hasRoom: (bytes) => this.hasRoom(bytes),
      over: () => this.links.delete(flow),
    });
  }

  /** Links that the carrier is not done with. */
  private get linksCount(): number {
    let count = 0;
    for (const flow of this.links.keys()) if (!flow.isOver) count += 1;
    return count;
  }

  /** All links of the session together may leave waiting what one may: a client does not go on over two at once. */
  private hasRoom(bytes: number): boolean {
    let waitingBytes = bytes;
    for (const flow of this.links.keys()) waitingBytes += flow.queuedBytes;
    return waitingBytes <= this.grounds.limits.windowBytes + WINDOW_RESERVE_BYTES + 2 * WRITE_BYTES_MAX;
  }

  acceptUpgrade({ socket, head, method, url, headers }: Upgrade): boolean {
    if (this.channel.carrier.kind !== "process" || this.isOver || !canMove(socket)) return false;
    const pairs = Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as const],
    );
    this.channel.sendSocket(this.access.id, { method, url, headers: pairs }, head, socket);
    return true;
  }

  /**
   * Only a lower bound is checked, and it may lag behind the carrier. A genuine token was made by the process itself
   * for an attach that it had accepted, so there is no number above the newest to refuse; one a little older than the
   * process would admit only comes as far as the process, which still wants the key.
   */
  admits(admission: string): boolean {
    if (this.isOver) return false;
    const number = this.grounds.secrets.admissionNumber(this.access.id, admission);
    return number !== undefined && number >= this.lastAttach - ADMISSIONS_KEPT;
  }

  async fetch(request: Request): Promise<Response> {
    if (this.isOver) throw new DuowireError("session_ended");
    const bytes = waitingBytesOf(request);
    if (this.requestBytes + bytes > REQUEST_BYTES_MAX) {
      throw new DuowireError("server_busy", TOO_MANY_REQUESTS, { retryAfterMs: BUSY_RETRY_MS });
    }
    this.requestBytes += bytes;
    const { channel } = this;
    const flow = channel.openRequest((response) => carried.answered(response));
    const hasBody = (request.body ?? null) !== null;
    channel.post({ type: "request", id: this.access.id, flow: flow.number, request: headOf(request), hasBody });
    const carried = new CarriedFetch(flow, request, () => {
      this.requestBytes -= bytes;
    });
    return carried.run().finally(() => channel.closeRequest(flow));
  }

  get place(): ProcessPlace {
    const { carrier, memoryBytes } = this.channel;
    const { kind, number } = carrier;
    return memoryBytes === undefined ? { kind, number } : { kind, number, memoryBytes };
  }

  drain(reason: DuowireError, withinMs: number): void {
    this.channel.post({ type: "drain", id: this.access.id, reason: describeError(reason), withinMs });
  }

  end(reason: DuowireError): void {
    if (this.endReason !== undefined || this.isOver) return;
    this.endReason = reason;
    this.channel.post({ type: "end", id: this.access.id, reason: describeError(reason) });
    // A carrier that hangs cannot end anything: then it ends without it.
    this.plan(END_MS_MAX, () => this.over(reason));
  }

  receive(message: SessionMessage): void {
    const { access, grounds } = this;
    switch (message.type) {
      case "generated":
        this.cancelTimer?.();
        return this.made.resolve();
      case "refused":
        return this.notMade(restoreDuowireError(message.error));
      case "state":
        return this.stateChanged(message);
      case "ended":
        return this.over(restoreDuowireError(message.reason));
      case "disposed":
        return this.release();
      case "service_error":
        return grounds.observer.serviceError(access, message.method, restoreError(message.error));
      case "call_failed":
        return grounds.observer.callFailed(access, message.method, restoreError(message.error));
      case "references_high":
        return grounds.observer.referencesHigh?.(access, message.lent, message.referencesMax);
      case "bug":
        return grounds.observer.bug(access, restoreError(message.error));
    }
  }

  figuresCame(figures: ProcessFigures): void {
    this.figures = figures;
  }

  crashed(end: CarrierEnd): void {
    const crash = crashError(end);
    // What a thread died of, with its stack: nobody else tells the program of it.
    if (end.error !== undefined) this.grounds.observer.serviceError(this.access, "uncaught", end.error);
    this.made.reject(crash);
    this.over(this.endReason ?? crash);
    this.release();
  }

  private stateChanged({ state, linkKind, lastAttach }: Extract<SessionMessage, { type: "state" }>): void {
    const before = this.state;
    if (this.isOver) return;
    this.state = state;
    this.linkKind = linkKind;
    this.lastAttach = lastAttach;
    if (state !== before) this.grounds.observer.stateChanged(this.access, state);
  }

  private notMade(error: DuowireError): void {
    this.made.reject(error);
    this.isOver = true;
    this.talk.end(error);
    this.release();
  }

  private over(reason: DuowireError): void {
    if (this.isOver) return;
    this.isOver = true;
    const isNews = this.state !== "closed";
    this.state = "closed";
    this.linkKind = undefined;
    if (isNews) this.grounds.observer.stateChanged(this.access, "closed");
    this.talk.end(reason);
    // Most were closed by the process itself; one that hangs has closed none.
    for (const link of this.links.values()) link.close(reason.message);
    this.end_.resolve(reason);
    this.plan(DISPOSE_MS_MAX, () => this.release());
  }

  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.cancelTimer?.();
    this.channel.remove(this.access.id);
    this.released();
  }

  private plan(ms: number, run: () => void): void {
    this.cancelTimer?.();
    this.cancelTimer = this.grounds.clock.after(ms, run);
  }
}
