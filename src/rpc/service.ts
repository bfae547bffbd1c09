import type { DuowireError } from "../base/errors.js";
import type { Channel } from "./channel.js";
import type { ServiceGroup } from "./group.js";
import type { CallOptions } from "./stub.js";
import type { exposed, Remote } from "./types.js";

/** A session as the service behind it sees it. */
export interface ServiceSession<Client = unknown> {
  /** The identification in its address, such as `WAO.n1.k3J9…`. */
  readonly id: string;
  /** Its address as this server knows it: the host and port that the access arrived at, after any NAT before it. */
  readonly address: { readonly href: string };
  /** Who the client is, if the server's `authorize` said so. */
  readonly principal: string | undefined;
  /** Whether the client can be reached now. Calls wait while it is `interrupted`. */
  readonly state: "waiting" | "open" | "interrupted" | "closing" | "closed";
  /** Aborted when the session ends; its reason is a DuowireError that says why. */
  readonly signal: AbortSignal;
  /** Settles with the reason when the session has ended; never rejects. */
  readonly closed: Promise<DuowireError>;
  /** The latest measured round trip, in milliseconds; undefined before the first. */
  readonly roundTripMs: number | undefined;
  /** Which kind of link there is now, such as `websocket`; undefined while there is none. */
  readonly link: string | undefined;
  /**
   * A signed URL of this session's own pages, for links, pictures and downloads (D26): whoever has it is let in to
   * `path` (such as `/report?month=10`) by one method until it expires. It is relative to the session's address, as the
   * client has it: `new URL(url, session.address.href)`. Default: GET, for 24 hours; the session's end is its end, too.
   */
  signUrl(path: string, options?: { readonly method?: string; readonly expiresInMs?: number }): string;
  /**
   * A group of sessions of this server by its name, to join, to call, and to see who is in it; the same in every host.
   * `Client` is what the members' clients expose. A name is a text of 1 to 256 characters.
   */
  group<Client>(name: string): ServiceGroup<Client>;
  /** The client, for calls with these options (D19): `this.session.with({ timeoutMs: 500 }).client.confirm("?")`. */
  with(options: CallOptions): { readonly client: Remote<Client> };
  /**
   * Opens a channel of messages beside the calls: once and in order, with back-pressure, in the shape of a MessagePort,
   * for libraries that bring a protocol of their own. The client opens the same name by `session.channel(name)`, before
   * or after; the first that this side opens by a name meets the first over there, the second the second. Throws
   * `invalid_argument` (a name has 1 to 256 characters), `reference_quota` (64 at most wait for the other side).
   */
  channel(name: string): Channel;
  /** Ends the session; the client is told `closed` with this message. Resolves when that is over; never rejects. */
  close(message?: string): Promise<void>;
}

/** What a service is made with. */
export interface ServiceContext {
  /** The far side's root stub. */
  readonly client: unknown;
  readonly session: ServiceSession;
}

/** What the next service is made with: only while {@link provide} runs, and only until a service took it. */
let provided: ServiceContext | undefined;

/**
 * Makes a service with what belongs to it: `provide(context, () => new Desk())`.
 *
 * Not by the constructor's arguments, because then every service would have to declare and pass them on; not after it,
 * because then `client` and `session` would be missing in constructors and in the initialisers of fields. It is a
 * module's variable, which is safe since a constructor cannot wait: nothing else runs in between.
 */
export function provide<T>(context: ServiceContext, make: () => T): T {
  provided = context;
  try {
    return make();
  } finally {
    provided = undefined;
  }
}

/**
 * What one communication process does for one client: extend it, and give the class to `serve`. One instance is made
 * for each access. `Client` says what the client exposes.
 *
 * The client may call the methods of the class, those of base classes included. Not callable are names that begin with
 * `_`, symbols, getters, fields (also those that hold functions), `#private` methods, and the names below. With
 * `static remote = ["place"] as const` only those named are. TypeScript's `private` hides a method from the client's
 * types and does **not** protect it: use `#name`.
 */
export class Service<Client = unknown> {
  /** Exists for the compiler only: what the client exposes, for `connect<Desk>` and `server.sessions`. */
  declare readonly [exposed]?: Client;
  /** The client: call it whenever you like; while it cannot be reached, calls wait. */
  readonly client: Remote<Client>;
  /** The session with the client. */
  readonly session: ServiceSession<Client>;
  /** Not for methods: a service is no promise, and it is disposed of by `[Symbol.asyncDispose]`. */
  // biome-ignore lint/suspicious/noThenProperty: declared so that no service has it.
  declare readonly then?: never;
  declare readonly catch?: never;
  declare readonly finally?: never;
  declare readonly dispose?: never;
  declare readonly toJSON?: never;

  constructor() {
    if (!provided) throw new TypeError("a Service is made by its host, for an access: give the class to serve()");
    this.client = provided.client as Remote<Client>;
    this.session = provided.session as ServiceSession<Client>;
    provided = undefined;
  }

  // What a service may have besides its methods. None of it can be called by the client.

  /** Runs before the client's first call. If it throws, the access is refused: `service_failed`. */
  opened?(): void | Promise<void>;
  /** The client cannot be reached for now. Nothing waits for it; if it throws, that is a `service_error`. */
  interrupted?(): void | Promise<void>;
  /** The client is back. As `interrupted`: nothing waits for it. */
  resumed?(): void | Promise<void>;
  /** Answers plain HTTP at this session's address: a page, a picture, a download. */
  fetch?(request: Request): Response | Promise<Response>;
  /** The session has ended. Runs once, with a deadline. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

/**
 * An object that is passed by reference: extend it, and pass instances in arguments and results. The far side gets a
 * stub and may call its methods, by the same rules as those of a {@link Service}. It stays lent until the far side
 * releases it, `revoke` takes it back, or the session ends.
 */
export class Target {
  /** Not for methods: a target is no promise, and its stub is disposed of by `using` or `release`. */
  // biome-ignore lint/suspicious/noThenProperty: declared so that no service has it.
  declare readonly then?: never;
  declare readonly catch?: never;
  declare readonly finally?: never;
  declare readonly dispose?: never;
  declare readonly toJSON?: never;
}
