/**
 * A communication process as such: a service, its conversation with the client, and its life from the access to the
 * end (D20). It is the same in every host; the host decides where it runs.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type {
  Access,
  AccessProof,
  CommunicationProcess,
  ProcessFigures,
  ProcessGrounds,
  ProcessState,
} from "../access/communication-process.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import { inTime } from "../base/in-time.js";
import type { Link, LinkKind } from "../frame/link.js";
import type { EncodedCall, ServiceGroup } from "../rpc/group.js";
import type { Interceptor } from "../rpc/interceptors.js";
import { guardListeners } from "../rpc/listeners.js";
import { keepCallsIn } from "../rpc/on-behalf.js";
import { RpcPeer } from "../rpc/peer.js";
import { provide, type Service, type ServiceSession } from "../rpc/service.js";
import type { Remote } from "../rpc/types.js";
import type { Outgoing } from "../session/outgoing.js";
import { OpenRequests } from "./open-requests.js";
import { Reception } from "./reception.js";
import { usableAnswer } from "./service-answer.js";
import { serviceGroup } from "./service-group.js";

// A method is known as the answer to its call also behind an `await`.
keepCallsIn(new AsyncLocalStorage());

/** How long `opened()` may take until the access is refused, and `[Symbol.asyncDispose]()` until it is left behind. */
const LIFE_CYCLE_MS_MAX = 10_000;

/** How long a signed URL lets in unless the service says otherwise. */
const URL_MS = 86_400_000;

/** What a process is given besides what its server has for all. */
export interface ProcessOptions {
  /** What runs around each call, the first outermost. */
  readonly interceptors?: readonly Interceptor<ServiceSession>[] | undefined;
}

/** One service with its client. */
export class ServiceProcess implements CommunicationProcess {
  readonly ended: Promise<DuowireError>;
  /** Settles after {@link ended}, when the service is disposed of; never rejects. */
  readonly disposed: Promise<void>;
  /** The session as the service sees it. */
  readonly session: ServiceSession;
  private readonly reception: Reception;
  private readonly abort = new AbortController();
  private readonly end_: Deferred<DuowireError> = deferred();
  private readonly dispose: Deferred<void> = deferred();
  private readonly requests = new OpenRequests(() => this.endSoonIfDrained());
  private peer!: RpcPeer;
  private service: Service<unknown> | undefined;
  private lastState: ProcessState = "waiting";
  /** Why the process ends once nothing is under way. */
  private drainReason: DuowireError | undefined;
  readonly place = { kind: "inline" } as const;

  constructor(
    readonly access: Access,
    private readonly grounds: ProcessGrounds,
    private readonly options: ProcessOptions = {},
  ) {
    this.ended = this.end_.promise;
    this.disposed = this.dispose.promise;
    this.reception = new Reception({
      ...grounds,
      access,
      application: (outgoing, wake) => this.converse(outgoing, wake),
      events: {
        state: (state) => this.stateChanged(state),
        ended: (reason) => void this.finish(reason).then(this.dispose.resolve),
        turnEnded: () => this.turnEnded(),
        bug: (error) => this.failed(error),
      },
    });
    this.session = this.makeSession();
  }

  get state(): ProcessState {
    return this.reception.state;
  }

  get linkKind(): LinkKind | undefined {
    return this.reception.link?.kind;
  }

  /** The highest attach number that was answered; 0 before the first. */
  get lastAttach(): number {
    return this.reception.lastAttach;
  }

  /** The stub of what the client exposes. */
  get client(): unknown {
    return this.peer.remote;
  }

  callEncoded(call: EncodedCall): PromiseLike<unknown> {
    return this.peer.callEncoded(call);
  }

  /** Makes the service and opens it; rejects `service_failed` when its constructor or `opened` throws. */
  async start(make: new () => Service<never>): Promise<void> {
    const process = this;
    // `client` is read when it is used: another client with the key may have taken the session over by then.
    const context = {
      session: this.session,
      get client() {
        return process.client;
      },
    };
    try {
      this.service = provide(context, () => new make()) as Service<unknown>;
      await this.inTime("opened(), which must not wait for the client,", this.service.opened?.());
    } catch (error) {
      this.grounds.observer.serviceError(this.access, this.service === undefined ? "constructor" : "opened", error);
      const failure = new DuowireError("service_failed", undefined, { side: "local", cause: error });
      this.reception.end(failure);
      throw failure;
    }
    this.peer.serve(this.service);
  }

  accept(link: Link, proof?: AccessProof): void {
    this.reception.accept(link, proof);
  }

  admits(admission: string): boolean {
    return this.reception.admits(admission);
  }

  async fetch(request: Request): Promise<Response> {
    const { service } = this;
    if (service?.fetch === undefined) return new Response("this service has no pages\n", { status: 404 });
    try {
      return await this.requests.run(request, async () => usableAnswer(await service.fetch?.(request)));
    } catch (error) {
      // A body that breaks off where the client left is nobody's error.
      if (!request.signal.aborted) this.grounds.observer.serviceError(this.access, "fetch", error);
      return new Response("the service failed\n", { status: 500 });
    }
  }

  get figures(): ProcessFigures {
    const { openCount, runningCount } = this.peer.figures;
    const { outgoing, figures } = this.reception.conversation.session;
    const queuedBytes = outgoing.queuedBytes + figures.unackedBytes;
    return { callsOpen: openCount, callsRunning: runningCount, queuedBytes };
  }

  drain(reason: DuowireError, withinMs: number): void {
    if (this.drainReason !== undefined || this.state === "closing" || this.state === "closed") return;
    this.drainReason = reason;
    this.endIfDrained();
    if (this.drainReason !== undefined) this.reception.goAway(reason, withinMs);
  }

  end(reason: DuowireError): void {
    this.reception.end(reason);
  }

  private turnEnded(): void {
    if (this.peer.figures.runningCount === 0) this.reception.endAnswer();
    this.endSoonIfDrained();
  }

  /** A later moment: the turn may be that of an attach, and calls came with it that are not taken yet. */
  private endSoonIfDrained(): void {
    if (this.drainReason !== undefined) this.grounds.clock.atTurnEnd(() => this.endIfDrained());
  }

  private endIfDrained(): void {
    const reason = this.drainReason;
    if (reason === undefined) return;
    const { callsOpen, callsRunning, queuedBytes } = this.figures;
    const { sendingCount, receivingCount } = this.peer.figures;
    if (callsOpen + callsRunning + queuedBytes + sendingCount + receivingCount + this.requests.count > 0) return;
    this.drainReason = undefined;
    this.reception.end(reason);
  }

  private converse(sink: Outgoing, wake: () => void): RpcPeer {
    const { access, grounds } = this;
    const { clock, limits, observer } = grounds;
    const peer = new RpcPeer({
      sink,
      wake,
      clock,
      limits,
      root: this.service,
      awaitsRoot: this.service === undefined,
      stacks: grounds.errorStacks ?? false,
      interceptors: this.options.interceptors as readonly Interceptor[] | undefined,
      session: () => this.session,
      events: {
        callFailed: (method, error) => observer.callFailed(access, method, error),
        serviceError: (method, error) => observer.serviceError(access, method, error),
        slowConsumer: (reason) => this.reception.end(reason),
        referencesHigh: (lent, referencesMax) => observer.referencesHigh?.(access, lent, referencesMax),
        bug: (error) => this.failed(error),
      },
    });
    this.peer = peer;
    return peer;
  }

  private stateChanged(state: ProcessState): void {
    const before = this.lastState;
    this.lastState = state;
    this.grounds.observer.changed?.(this.access);
    if (state === before) return;
    this.grounds.observer.stateChanged(this.access, state);
    if (this.service === undefined) return;
    if (state === "interrupted") void this.tell("interrupted");
    else if (state === "open" && before === "interrupted") void this.tell("resumed");
  }

  /** Never rejects: neither what a hook throws nor a promise of it that rejects is more than its service's error. */
  private async tell(method: "interrupted" | "resumed"): Promise<void> {
    try {
      await this.service?.[method]?.();
    } catch (error) {
      this.grounds.observer.serviceError(this.access, method, error);
    }
  }

  private async finish(reason: DuowireError): Promise<void> {
    this.abort.abort(reason);
    this.end_.resolve(reason);
    const { service } = this;
    if (service?.[Symbol.asyncDispose] === undefined) return;
    try {
      await this.inTime("[Symbol.asyncDispose]()", service[Symbol.asyncDispose]?.());
    } catch (error) {
      this.grounds.observer.serviceError(this.access, "asyncDispose", error);
    }
  }

  private failed(error: unknown): void {
    this.grounds.observer.bug(this.access, error);
    this.reception.end(new DuowireError("internal_error", undefined, { side: "local", cause: error }));
  }

  /** Waits for what a life-cycle method returns; rejects when that takes too long. */
  private async inTime(what: string, work: void | Promise<void>): Promise<void> {
    if (work !== undefined) await inTime(this.grounds.clock, LIFE_CYCLE_MS_MAX, what, work);
  }

  private makeSession(): ServiceSession {
    const { access, reception, abort, ended, grounds } = this;
    return {
      id: access.id,
      address: { href: `http://${access.localAddress}` },
      principal: access.principal,
      signal: abort.signal,
      closed: ended,
      get state() {
        return reception.state;
      },
      get roundTripMs() {
        return reception.conversation.session.roundTripMs;
      },
      get link() {
        return reception.link?.kind;
      },
      signUrl: (path, { method = "GET", expiresInMs = URL_MS } = {}) => {
        const expiresMs = grounds.clock.wallMs() + expiresInMs;
        return (
          access.id + grounds.secrets.signPath(access.id, method, path.startsWith("/") ? path : `/${path}`, expiresMs)
        );
      },
      group: <Client>(name: string) => serviceGroup(grounds, access, name) as ServiceGroup<Client>,
      with: (options) => ({ client: this.peer.remoteWith(options) as Remote<unknown> }),
      channel: (name) =>
        guardListeners(this.peer.channel(name), ({ type }, error) => {
          grounds.observer.serviceError(access, `channel.${type}`, error);
        }),
      close: async (message) => {
        reception.end(new DuowireError("closed", message, { side: "local" }));
        await ended;
      },
    };
  }
}
