/**
 * What all requests to one server share: its settings, its secrets, and the live list of its processes. It accepts
 * accesses (part 21), has their identifications made (part 22) and their processes generated (part 24).
 */
import { type AccessRequest, BUSY_RETRY_MS, decideAccess } from "../access/access-acceptance.js";
import type { CarrierReport } from "../access/carrier-report.js";
import type {
  CommunicationProcess,
  ProcessGrounds,
  ProcessHost,
  ProcessObserver,
} from "../access/communication-process.js";
import { Counts } from "../access/counts.js";
import { ProcessList } from "../access/process-generation.js";
import type { Secrets } from "../access/secrets.js";
import { TokenBuckets } from "../access/token-buckets.js";
import type { CancelTimer } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { inTime } from "../base/in-time.js";
import type { Link } from "../frame/link.js";
import { deriveSecrets } from "../host/secrets.js";
import type { AcceptedExchangeLink } from "../link/http-exchange-server.js";
import { sourceOf } from "./client-address.js";
import { GroupList } from "./group-list.js";
import type { AskedAccess, ServiceClass, Settings } from "./settings.js";
import { WaitingAccesses } from "./waiting-accesses.js";

/** However short the lease: a repeat of an access may come as late as a client tries to connect, and some more. */
const NONCES_MS_MIN = 60_000;
/** How long the program may think about whom it lets in: a client waits 15 s at most. */
const AUTHORIZE_MS_MAX = 10_000;

/** What the server takes from the layers beside it. */
export interface ServerParts {
  /** A host that runs a class in the server's own process. */
  readonly inline: (service: ServiceClass, options: Pick<Settings, "interceptors">) => ProcessHost;
  /** The link over a WebSocket whose handshake is done. */
  readonly acceptWebSocket: (socket: object) => Link;
  /** Which kinds of link there are, the best first. */
  readonly links: readonly string[];
}

/** What is told to whoever listens to the server's events. */
export interface ServerObserver extends ProcessObserver {
  /** A thread or process of this service's host has ended. */
  carrierEnded(service: string, report: CarrierReport): void;
  generated(process: CommunicationProcess): void;
  ended(process: CommunicationProcess, reason: DuowireError): void;
  /** A request was refused, before there was a process for it or by its process. */
  refused(error: DuowireError, from: { readonly remoteAddress: string; readonly target: string }): void;
  /** Something failed that is nobody's refusal: a bug, or the service's own code. */
  failed(error: unknown): void;
}

/** The state behind a {@link Server}. */
export class ServerCore {
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly processes: ProcessList;
  readonly groups: GroupList;
  readonly grounds: ProcessGrounds;
  /** Whether the server listens on loopback only; known once it listens. */
  onLoopback = false;
  readonly waitingAccesses = new WaitingAccesses();
  /** Set when the server begins to close: from then on it takes no new access. */
  closing = false;
  /** The http-exchange links that live, by session and link. */
  readonly exchangeLinks = new Map<string, AcceptedExchangeLink>();
  /** Set when the server drains: when that ends, on the monotonic clock. */
  #drainsUntilMs: number | undefined;
  /** Called when the live list becomes empty. */
  emptied: () => void = () => undefined;
  readonly #principals = new Counts();
  readonly #rates: AccessRates;
  readonly #hosts: ReadonlyMap<string, ProcessHost>;
  readonly #closers: readonly ((() => Promise<void>) | undefined)[];
  #cancelSweep: CancelTimer | undefined;
  /** The hosts are closed: whoever was being let in comes too late. */
  #isStopped = false;

  constructor(
    settings: Settings,
    readonly parts: ServerParts,
    readonly observer: ServerObserver,
  ) {
    const { clock, random, leaseMs, attachDeadlineMs, limits } = settings;
    this.settings = settings;
    this.secrets = deriveSecrets(settings.secret);
    const { sessionLimits, queueBytesMax, errorStacks, interceptors } = settings;
    const common = { leaseMs, links: parts.links, clock, random, limits: sessionLimits, queueBytesMax, errorStacks };
    this.#hosts = new Map(
      [...settings.services].map(([name, service]) => [name, hostOf(name, service, parts, interceptors)]),
    );
    this.#closers = [...this.#hosts].map(([name, host]) =>
      host.open?.((report) => observer.carrierEnded(name, report)),
    );
    this.processes = new ProcessList({
      now: () => clock.monotonicMs(),
      attachDeadlineMs,
      noncesKeptMs: Math.max(leaseMs, NONCES_MS_MIN),
      noncesMax: 2 * limits.sessionsMax,
      generated: (process) => this.#generated(process),
      ended: (process, reason) => this.#ended(process, reason),
    });
    this.#rates = new AccessRates(limits);
    this.groups = new GroupList(this.processes, clock, observer);
    this.grounds = { ...common, secrets: this.secrets, observer, groups: this.groups };
  }

  /**
   * Accepts one access: generates its process, or finds the one that an earlier try of it has (D1). Rejects with the
   * refusal.
   */
  async accept(request: AccessRequest, asked: Omit<AskedAccess, "service">, localAddress: LocalAddressOf) {
    const { processes, settings } = this;
    const source = sourceOf(asked.remoteAddress);
    const nowMs = settings.clock.monotonicMs();
    const state = {
      nowMs,
      closing: this.closing,
      services: [...this.#hosts.keys()],
      sessions: processes.size,
      waitingFromSource: processes.waitingFrom(source),
      sessionsFromSource: processes.from(source),
      ...this.#rates.waits(source, nowMs),
      known: processes.known(request.nonce),
      knownSinceMs: processes.knownSinceMs,
    };
    const decision = decideAccess(request, state, settings.limits);
    if (decision.kind === "refuse") throw decision.error;
    if (decision.kind === "repeat") {
      processes.heard(decision.id);
      return this.ready(decision.id);
    }
    this.#rates.take(source, nowMs);
    const id = settings.ids.next();
    const order = { id, source, nonce: request.nonce };
    const access = { ...asked, service: decision.service, localAddress: localAddress(id) };
    return processes.generate(order, () => this.#generate(id, access)).ready;
  }

  /** The process with this identification once it is made; undefined when there is none. */
  async ready(id: string): Promise<CommunicationProcess> {
    const generation = this.processes.get(id);
    if (generation === undefined) throw new DuowireError("session_unknown");
    return generation.ready;
  }

  /** Ends what the hosts keep besides their processes, such as threads that wait for a session. */
  async closeHosts(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#closers.map((close) => close?.()));
  }

  /** Has every process end as soon as nothing is under way in it, those being made included. */
  drain(withinMs: number): void {
    this.#drainsUntilMs = this.settings.clock.monotonicMs() + withinMs;
    for (const process of this.processes) this.#drain(process);
  }

  /** Stops the timer; for the end of the server. */
  stop(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  async #generate(id: string, access: AskedAccess): Promise<CommunicationProcess> {
    const host = this.#hosts.get(access.service);
    if (host === undefined) throw new DuowireError("unknown_service");
    const { authorize, clock } = this.settings;
    const answer = authorize && (await inTime(clock, AUTHORIZE_MS_MAX, "authorize()", authorize(access)));
    if (answer instanceof DuowireError) throw answer;
    if (this.#isStopped) throw new DuowireError("going_away", undefined, { retryAfterMs: BUSY_RETRY_MS });
    const whole = { ...access, id, key: this.secrets.key(id) };
    if (answer === undefined) return host.generate(whole, this.grounds);
    const uncount = this.#countPrincipal(answer);
    try {
      const process = await host.generate({ ...whole, principal: answer }, this.grounds);
      void process.ended.then(uncount);
      return process;
    } catch (error) {
      uncount();
      throw error;
    }
  }

  #countPrincipal(principal: string): () => void {
    const { sessionsPerPrincipalMax } = this.settings.limits;
    if (this.#principals.of(principal) < sessionsPerPrincipalMax) return this.#principals.add(principal);
    const most = `this principal has ${sessionsPerPrincipalMax} sessions, as many as one may have`;
    throw new DuowireError("too_many_requests", most, { retryAfterMs: BUSY_RETRY_MS });
  }

  #generated(process: CommunicationProcess): void {
    this.observer.generated(process);
    this.#drain(process);
    if (this.#cancelSweep === undefined) this.#planSweep();
  }

  #drain(process: CommunicationProcess): void {
    if (this.#drainsUntilMs === undefined) return;
    process.drain?.(new DuowireError("server_closed"), this.#drainsUntilMs - this.settings.clock.monotonicMs());
  }

  #ended(process: CommunicationProcess, reason: DuowireError): void {
    this.groups.ended(process.access.id);
    this.observer.ended(process, reason);
    if (this.processes.size > 0) return;
    this.stop();
    this.emptied();
  }

  /** One timer, for the process whose deadline for the first attach comes next (D1). */
  #planSweep(): void {
    const { clock } = this.settings;
    const deadlineMs = this.processes.nextDeadlineMs;
    this.#cancelSweep = undefined;
    if (deadlineMs === undefined) return;
    this.#cancelSweep = clock.after(deadlineMs - clock.monotonicMs(), () => {
      for (const id of this.processes.overdue()) this.processes.end(id, new DuowireError("attach_timeout"));
      this.#planSweep();
    });
  }
}

/** Sources whose rate of accesses is remembered: some 10 MiB. */
const SOURCES_MAX = 65_536;

/** How fast accesses may come: from each source, and for the server as a whole. */
class AccessRates {
  readonly #sources: TokenBuckets;
  readonly #starts: TokenBuckets;

  constructor({ accessesPerSourcePerSecondMax: perSource, startsPerSecondMax: starts }: Settings["limits"]) {
    this.#sources = new TokenBuckets({ perSecond: perSource, burst: 2 * perSource, keysMax: SOURCES_MAX });
    this.#starts = new TokenBuckets({ perSecond: starts, burst: starts, keysMax: 1 });
  }

  waits(source: string, now: number) {
    return { sourceWaitMs: this.#sources.waitMs(source, now), startWaitMs: this.#starts.waitMs("", now) };
  }

  take(source: string, now: number): void {
    this.#sources.take(source, now);
    this.#starts.take("", now);
  }
}

/** The address that a new identification has at the socket that its access came on. */
export type LocalAddressOf = (id: string) => string;

function hostOf(
  name: string,
  service: ServiceClass | ProcessHost,
  parts: ServerParts,
  interceptors: Settings["interceptors"],
): ProcessHost {
  if (typeof service === "function") return parts.inline(service, { interceptors });
  if (interceptors === undefined) return service;
  const message = `service ${name} runs elsewhere, and interceptors are functions of this process: leave them out`;
  throw new DuowireError("invalid_argument", message, { side: "local" });
}
