/** A running server: its address, its sessions, its events and its end. */
import type { Server as HttpServer } from "node:http";
import type { CarrierReport } from "../access/carrier-report.js";
import type { Access } from "../access/communication-process.js";
import { ConnectionAddress } from "../access/connection-address.js";
import { DuowireError } from "../base/errors.js";
import { type ListenerOptions, type PlatformListener, typedEventTarget } from "../base/events.js";
import { guardListeners } from "../rpc/listeners.js";
import { claimRequests } from "./claim.js";
import { ServerCore, type ServerParts } from "./core.js";
import type { Group } from "./group.js";
import { placeOf } from "./request-target.js";
import { receiveRequest } from "./routes.js";
import { ServiceWarnings } from "./service-warnings.js";
import { type ServerSession, SessionList } from "./session-list.js";
import type { Settings } from "./settings.js";
import { UpgradeAcceptor } from "./upgrade.js";

/** The events of a {@link Server}, by name. Each is a CustomEvent with this `detail`. */
export interface ServerEvents<Service extends object = object> {
  /** A communication process was generated. */
  session: { readonly session: ServerSession<Service> };
  /** A communication process has ended. */
  session_ended: { readonly session: ServerSession<Service>; readonly reason: DuowireError };
  /**
   * A method of a service threw; `error` is the original, with its stack. The client was told without it (D24). Or a
   * listener did: of a channel (`method` is `channel.message`), a service's of a group (`watch`), the program's of a
   * group (`group.joined`).
   */
  service_error: FailedCall<Service>;
  /** A call of a client failed, and its service did not look at the outcome (D16). */
  call_failed: FailedCall<Service>;
  /** Four fifths of the functions and objects that a client takes are lent to it; above all: `reference_quota`. */
  references_high: {
    readonly session: ServerSession<Service> | undefined;
    readonly id: string;
    readonly lent: number;
    readonly referencesMax: number;
  };
  /**
   * A worker thread or operating-system process that sessions ran in, or were to run in, has ended; `cause` is
   * `stopped` when that was meant. Where nobody listens, a crash is a warning of the process, once per kind.
   */
  carrier_ended: CarrierReport & { readonly service: string };
  /** A request was refused. `target` and the error's message are escaped: they are safe to print. */
  refused: { readonly error: DuowireError; readonly remoteAddress: string; readonly target: string };
  /**
   * Something failed that is no refusal: a bug, the code of `authorize` or of a service, or a listener of these events;
   * that is a warning of the process where nobody listens to this one.
   */
  error: { readonly error: unknown };
}

/** A call that failed, and whose it was. */
export interface FailedCall<Service extends object = object> {
  /** Undefined while the session is not listed: its service was being made, or it has ended. */
  readonly session: ServerSession<Service> | undefined;
  readonly id: string;
  readonly method: string;
  readonly error: unknown;
}

/** What `close` takes. */
export interface CloseOptions {
  /**
   * How long calls that are under way may go on; new accesses are refused at once (503 with Retry-After). A session
   * with no call open or queued on either side ends at once, with `server_closed`; the others when they are done, or
   * when this time is over. Their clients are told by the event `server_closing`. 0 ms.
   */
  readonly drainMs?: number;
}

/** How long ending everything may take once the time to drain is over. */
const END_MS_MAX = 1_000;

/** Made by `serve` and `attach`; events by `addEventListener`, see {@link ServerEvents}. */
export class Server<Service extends object = object> extends typedEventTarget<ServerEvents>() {
  /** The sessions that live now. */
  readonly sessions: SessionList<Service>;
  readonly #core: ServerCore;
  readonly #httpServer: HttpServer;
  readonly #upgrades: UpgradeAcceptor;
  readonly #release: () => void;
  readonly #warnings: ServiceWarnings;
  #closed: Promise<void> | undefined;

  /** The events that somebody has asked for at some time. */
  readonly #listened = new Set<string>();

  /** For `serve` and `attach`, which also decide whether the HTTP server is ours to close. */
  constructor(httpServer: HttpServer, settings: Settings, parts: ServerParts) {
    super();
    guardListeners(this, ({ type }, error) => {
      if (type === "error" || !this.#listened.has("error")) this.#warnings.warnOfListener(type, error);
      else this.#tell("error", { error });
    });
    this.#httpServer = httpServer;
    this.#core = new ServerCore(settings, parts, {
      generated: (process) => this.#tell("session", { session: this.sessions.of(process) }),
      ended: (process, reason) => this.#tell("session_ended", { session: this.sessions.of(process), reason }),
      refused: (error, from) => this.#tell("refused", { error, ...from }),
      failed: (error) => this.#tell("error", { error }),
      bug: (_access, error) => this.#tell("error", { error }),
      serviceError: (access, method, error) => this.#serviceError(access, method, error),
      stateChanged: ({ id }) => this.#core.groups.stateChanged(id),
      carrierEnded: (service, report) => this.#carrierEnded({ ...report, service }),
      referencesHigh: ({ id }, lent, referencesMax) => {
        this.#tell("references_high", { session: this.sessions.get(id), id, lent, referencesMax });
      },
      callFailed: ({ id }, method, error) => {
        this.#tell("call_failed", { session: this.sessions.get(id), id, method, error });
      },
    });
    this.#warnings = new ServiceWarnings(settings.clock);
    this.sessions = new SessionList<Service>(this.#core.processes);
    this.#upgrades = new UpgradeAcceptor(this.#core);
    this.#release = claimRequests(httpServer, {
      isOurs: (request) => placeOf(request.url ?? "", settings).kind !== "foreign",
      request: (request, response) => void receiveRequest(this.#core, request, response),
      upgrade: (request, socket, head) => void this.#upgrades.receive(request, socket, head),
    });
    if (httpServer.listening) this.#noteInterface();
    else httpServer.once("listening", () => this.#noteInterface());
  }

  override addEventListener<Name extends keyof ServerEvents>(
    type: Name,
    listener: (event: CustomEvent<ServerEvents<Service>[Name]>) => void,
    options?: ListenerOptions,
  ): void;
  override addEventListener(type: string, listener: PlatformListener, options?: ListenerOptions): void;
  override addEventListener(type: string, listener: unknown, options?: ListenerOptions): void {
    this.#listened.add(type);
    super.addEventListener(type, listener as EventListener, options);
  }

  /**
   * The fixed connection address with the port that is really listened at, and the host as it was given. Throws
   * `bad_address` while an HTTP server that this one is attached to does not listen yet.
   */
  get address(): ConnectionAddress {
    const { address, ownsServer } = this.#core.settings;
    const listening = this.#httpServer.address();
    if (listening === null || typeof listening === "string") {
      throw new DuowireError("bad_address", "the HTTP server does not listen at a port, so there is no address yet");
    }
    const scheme = "setSecureContext" in this.#httpServer ? "https" : "http";
    const host = ownsServer ? address.host : hostOf(listening.address);
    return ConnectionAddress.parse(`${scheme}://${host}:${listening.port}${address.prefix}/${address.id}`);
  }

  /**
   * The group of sessions with this name; made when there is none, and the same object each time. It may be called,
   * counted and watched. A name is a text of 1 to 256 characters; `invalid_argument` otherwise.
   */
  group(name: string): Group<Service> {
    return this.#core.groups.get(name) as Group as Group<Service>;
  }

  /** Forgets a group that nobody is in and no service watches; false when there is none, or somebody does. */
  forgetGroup(name: string): boolean {
    return this.#core.groups.forget(name);
  }

  /**
   * Takes no new access from now on, lets sessions with calls under way go on (and come back) for `drainMs`, ends each
   * with `server_closed` when it is done, and the rest then. Settles within `drainMs` and one second (two where threads
   * or processes have to end), never rejects; a second call waits for the first. Closes the HTTP server if `serve` made
   * it; one that it is attached to goes on without it.
   */
  close({ drainMs = 0 }: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  /** `close()` without time to drain. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    const core = this.#core;
    core.closing = true;
    const emptied = new Promise<void>((resolve) => {
      core.emptied = resolve;
      if (core.processes.size === 0) resolve();
    });
    if (drainMs > 0) {
      core.drain(drainMs);
      await this.#within(drainMs, emptied);
    }
    const ended = core.processes.endAll(new DuowireError("server_closed"));
    const stopped = this.#core.settings.ownsServer ? ended.then(() => this.#stopListening()) : ended;
    await this.#within(END_MS_MAX, stopped);
    await this.#within(END_MS_MAX, core.closeHosts());
    core.stop();
    this.#release();
    this.#upgrades.destroy();
    if (!core.settings.ownsServer) return;
    // Whatever did not end in time: the port is free when this settles.
    const closed = this.#stopListening();
    this.#httpServer.closeAllConnections();
    await closed;
  }

  /** Settles when the last connection is closed; idle ones are closed at once. */
  #stopListening(): Promise<void> {
    return new Promise((resolve) => {
      this.#httpServer.close(() => resolve());
      this.#httpServer.closeIdleConnections();
    });
  }

  /** Settles with `work`, or after `ms`, whichever comes first. */
  async #within(ms: number, work: Promise<void>): Promise<void> {
    const { clock } = this.#core.settings;
    let cancel: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(ms, resolve);
    });
    await Promise.race([work, late]);
    cancel();
  }

  #noteInterface(): void {
    const listening = this.#httpServer.address();
    if (listening === null || typeof listening === "string") return;
    const { address } = listening;
    this.#core.onLoopback = address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");
  }

  #serviceError(access: Access, method: string, error: unknown): void {
    const { id, service } = access;
    const detail = { session: this.sessions.get(id), id, method, error };
    const { onError } = this.#core.settings;
    if (onError !== undefined) void this.#report(() => onError(error, detail));
    else if (!this.#listened.has("service_error")) this.#warnings.warn(service, method, error);
    this.#tell("service_error", detail);
  }

  /** Runs the program's own report of an error; a report that fails is nobody's end. Never rejects. */
  async #report(run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#tell("error", { error });
    }
  }

  #carrierEnded(detail: ServerEvents["carrier_ended"]): void {
    if (detail.cause !== "stopped" && !this.#listened.has("carrier_ended")) this.#warnings.warnOfCarrier(detail);
    this.#tell("carrier_ended", detail);
  }

  #tell<Name extends keyof ServerEvents>(type: Name, detail: ServerEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function hostOf(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
