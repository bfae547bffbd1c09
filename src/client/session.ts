/** A session as a client's program has it: made by `connect`, and there until it is closed. */
import type { ConnectionAddress } from "../access/connection-address.js";
import { type Clock, platformRandom, type RandomOctets, systemClock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { DuowireError, isErrorCode } from "../base/errors.js";
import { typedEventTarget } from "../base/events.js";
import { type AnnouncedLimits, defaultLimits } from "../frame/limits.js";
import type { Link, LinkKind } from "../frame/link.js";
import { openDoorAt } from "../link/door.js";
import type { Channel } from "../rpc/channel.js";
import type { Interceptor } from "../rpc/interceptors.js";
import { RpcPeer } from "../rpc/peer.js";
import type { CallOptions } from "../rpc/stub.js";
import type { Remote } from "../rpc/types.js";
import type { SessionState } from "../session/states.js";
import { Communication, type Network } from "./communication.js";
import type { CompanionRules } from "./companion.js";
import { type LinkChoice, linkChoices } from "./network.js";
import { watchPage } from "./page.js";

/** Where a session is in its life: no answer yet; attached; without a path for now; over. */
export type ClientState = "connecting" | "open" | "interrupted" | "closed";

/** What carries a session at the moment. */
export interface LinkInfo {
  readonly kind: LinkKind;
  /** The latest measured round trip in milliseconds; undefined before the first. */
  readonly roundTripMs: number | undefined;
  /** Nothing has come back for too long: another path is being looked for. */
  readonly isSuspect: boolean;
}

/** The events of a {@link ClientSession}, by name, and what each carries in `detail`. */
export interface SessionEvents {
  /** The state has changed; `reason` says why a session is closed. */
  state: { readonly state: ClientState; readonly reason: DuowireError | undefined };
  /** Another link carries the session now, or `isSuspect` of the one that does has changed. */
  link: LinkInfo;
  /** A call failed that nobody awaited. */
  call_failed: { readonly method: string; readonly error: unknown };
  /** Something that this client exposes threw; the server was told, without the stack. */
  service_error: { readonly method: string; readonly error: unknown };
  /**
   * The server is about to stop: it ends this session with `reason` once no call is open, and in `endsInMs` at the
   * latest. Comes once. Begin nothing that takes longer.
   */
  server_closing: { readonly reason: DuowireError; readonly endsInMs: number };
  /** Four fifths of the functions and objects that the server takes are lent to it. */
  references_high: { readonly lent: number; readonly referencesMax: number };
}

/** What `connect` takes besides the address. */
export interface ConnectOptions<Client = unknown> {
  /** What the server may call on this client: a plain object of functions, or an instance of a Target's class. */
  readonly expose?: Client;
  /** Which service is asked for; may be left out where the server has only one. */
  readonly service?: string;
  /** How long the first access is tried before the session closes with `connect_timeout`. 15,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Octets of calls that wait while the server cannot take them; beyond it calls reject `queue_full`. 1,048,576. */
  readonly queueBytesMax?: number;
  /** What runs around each call that this client makes or answers; the first is outermost. None. */
  readonly interceptors?: readonly Interceptor[];
  /**
   * Which kinds of link may be used, the best first. Both: `["websocket", "http-exchange"]`. Where none of them gets
   * through, single requests carry the session, at a distance of seconds: `linkFailure` says what stands in the way.
   */
  readonly links?: readonly LinkChoice[];
  /** What this client takes of the server; see spec/session.md. */
  readonly limits?: Partial<AnnouncedLimits>;
}

/** What a session is made from: the platform's parts, or a test's. */
export interface SessionParts {
  readonly clock: Clock;
  readonly random: RandomOctets;
  readonly network: (address: ConnectionAddress, links: readonly LinkChoice[]) => Network;
  /** Where a second link accompanies the first. */
  readonly companion?: CompanionRules;
}

const CONNECT_TIMEOUT_MS = 15_000;
const QUEUE_BYTES_MAX = 1_048_576;
const SERVICE_CHARACTERS_MAX = 256;

const stateNames: Readonly<Record<SessionState, ClientState>> = {
  fresh: "connecting",
  open: "open",
  interrupted: "interrupted",
  closing: "closed",
  closed: "closed",
};

/** One session with one communication process. Use `await using`, or {@link ClientSession.close}. */
export class ClientSession<Service extends object> extends typedEventTarget<SessionEvents>() {
  /** The service: its methods can be called at any time, also before the server has answered. */
  readonly remote: Remote<Service>;
  /** Settles when the access was answered; rejects with the reason when it is refused. Nobody has to look at it. */
  readonly opened: Promise<void>;
  /** Settles with the reason when the session is over; never rejects. */
  readonly closed: Promise<DuowireError>;
  readonly #communication: Communication;
  readonly #opening = deferred<void>();
  readonly #closing = deferred<DuowireError>();
  readonly #stopWatching: () => void;
  readonly #peer: RpcPeer;
  readonly #clock: Clock;
  #address: ConnectionAddress;
  #state: ClientState = "connecting";
  #link: Link | undefined;
  #isWarned = false;

  /** For `connect`. Throws `bad_address`, `invalid_argument`. */
  constructor(address: ConnectionAddress, options: ConnectOptions, parts: SessionParts) {
    super();
    if ((options.service?.length ?? 0) > SERVICE_CHARACTERS_MAX) {
      const message = `a service has a name of at most ${SERVICE_CHARACTERS_MAX} characters`;
      throw new DuowireError("invalid_argument", message, { side: "local" });
    }
    this.#address = address;
    this.#clock = parts.clock;
    this.opened = this.#opening.promise;
    this.closed = this.#closing.promise;
    const limits = { ...defaultLimits, ...options.limits };
    let peer: RpcPeer | undefined;
    this.#communication = new Communication({
      network: parts.network(address, options.links ?? linkChoices),
      clock: parts.clock,
      random: parts.random,
      service: options.service,
      limits,
      queueBytesMax: options.queueBytesMax ?? QUEUE_BYTES_MAX,
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      target: address.href,
      ...(parts.companion && { companion: parts.companion }),
      application: (sink, wake) => {
        const { clock } = parts;
        const { expose, interceptors } = options;
        const root = expose as object | undefined;
        const session = () => this;
        peer = new RpcPeer({ sink, wake, clock, limits, root, interceptors, session, events: this.#peerEvents() });
        return peer;
      },
      events: {
        identified: (id) => {
          this.#address = address.inherit(id);
          this.#opening.resolve();
        },
        state: (state, reason) => this.#stateChanged(stateNames[state], reason),
        link: (link) => {
          this.#link = link;
          // Not `this.link`: the state follows, and until then it is that of the time without a link.
          this.#tell("link", this.#infoOf(link));
        },
        goingAway: ({ code, message, endsInMs }) => {
          if (this.#isWarned) return;
          this.#isWarned = true;
          const known = isErrorCode(code) ? code : "closed";
          this.#tell("server_closing", { reason: new DuowireError(known, message, { side: "remote" }), endsInMs });
        },
        suspect: () => {
          if (this.link !== undefined) this.#tell("link", this.link);
        },
        bug: (error) => this.#fail(error),
      },
    });
    this.#peer = peer as unknown as RpcPeer;
    this.remote = this.#peer.remote as Remote<Service>;
    this.#stopWatching = watchPage({
      leave: () => this.#communication.leave(),
      detach: () => this.#communication.detach(),
      wake: () => this.#communication.wake(),
    });
  }

  /** The fixed address until the access is answered; from then on the session's own, with the ID that was notified. */
  get address(): ConnectionAddress {
    return this.#address;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** What carries the session now; undefined while nothing does. */
  get link(): LinkInfo | undefined {
    if (this.#state !== "open" || this.#link === undefined) return undefined;
    return this.#infoOf(this.#link);
  }

  /**
   * What the last attempt at a link met that brought none, in words for a person: why there is no WebSocket, or what
   * stands in the way of an interrupted session, also after its end. Undefined as long as each has succeeded.
   */
  get linkFailure(): string | undefined {
    return this.#communication.linkFailure;
  }

  /** The service again, for calls with these options: `session.with({ timeoutMs: 500 }).remote.place(order)` (D19). */
  with(options: CallOptions): { readonly remote: Remote<Service> } {
    return { remote: this.#peer.remoteWith(options) as Remote<Service> };
  }

  /**
   * Opens a channel of messages beside the calls: once and in order, with back-pressure, in the shape of a MessagePort,
   * for libraries that bring a protocol of their own. The service opens the same name by `this.session.channel(name)`,
   * before or after; the first that this side opens by a name meets the first over there, the second the second. Throws
   * `invalid_argument` (a name has 1 to 256 characters), `reference_quota` (64 at most wait for the other side).
   */
  channel(name: string): Channel {
    return this.#peer.channel(name);
  }

  /**
   * Opens the door to the session's own pages for this browser, by a cookie that lasts as long as the lease (D26): from
   * then on `session.address.href + "/…"` can be a link, a picture, a frame. For pages of the server's own origin: a
   * browser keeps cookies of another one (another port, too) from a page, whatever the server's `origins` are. Rejects
   * with the reason when the server refuses it or the access, `unreachable` when no answer comes within 10 s.
   */
  async openDoor(): Promise<void> {
    await this.opened;
    await openDoorAt(this.address.doorHref, this.#communication.key as Uint8Array, this.#clock);
  }

  /**
   * Ends the session. What was called before still leaves; open calls reject `closed` and say whether they were sent.
   * Resolves when the server has confirmed it, after one second at most; never rejects.
   */
  async close(message?: string): Promise<void> {
    this.#communication.close(new DuowireError("closed", message, { side: "local" }));
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #peerEvents() {
    return {
      callFailed: (method: string, error: unknown) => this.#tell("call_failed", { method, error }),
      serviceError: (method: string, error: unknown) => this.#tell("service_error", { method, error }),
      slowConsumer: (reason: DuowireError) => this.#communication.close(reason),
      referencesHigh: (lent: number, referencesMax: number) => this.#tell("references_high", { lent, referencesMax }),
      bug: (error: unknown) => this.#fail(error),
    };
  }

  #stateChanged(state: ClientState, reason: DuowireError | undefined): void {
    const before = this.#state;
    this.#state = state;
    // A session that closes is told of once, when it is over and the reason is known.
    if (reason === undefined && (state === before || state === "closed")) return;
    if (state === "closed" && reason !== undefined) {
      this.#stopWatching();
      this.#opening.reject(reason);
      this.#closing.resolve(reason);
    }
    this.#tell("state", { state, reason });
  }

  #infoOf({ kind }: Link): LinkInfo {
    const { roundTripMs, isHealthy } = this.#communication.driver.session;
    return { kind, roundTripMs, isSuspect: !isHealthy };
  }

  #fail(error: unknown): void {
    this.#communication.close(new DuowireError("internal_error", undefined, { side: "local", cause: error }));
  }

  #tell<Name extends keyof SessionEvents>(name: Name, detail: SessionEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** The platform's clock and randomness; the network is for the entry to choose. */
export const platformParts = { clock: systemClock, random: platformRandom };
