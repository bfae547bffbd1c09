/** What a server can be told, with units and defaults, and what becomes of it. */

import { type AddressGenerator, randomIds, sequentialIds } from "../access/address-generation.js";
import type { Access, ProcessHost } from "../access/communication-process.js";
import { ConnectionAddress } from "../access/connection-address.js";
import { type Clock, platformRandom, type RandomOctets, systemClock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { type AnnouncedLimits, BATCH_BYTES_MAX, defaultLimits, leastLimits } from "../frame/limits.js";
import type { Interceptor } from "../rpc/interceptors.js";
import type { ServiceSession } from "../rpc/service.js";
import type { FailedCall } from "./server.js";

/** A class whose instances serve one client each; it runs in the server's own process. */
export type ServiceClass<Service extends object = object> = new () => Service;

/** What `authorize` is asked about: the access before it has an identification and a key. */
export type AskedAccess = Omit<Access, "id" | "key" | "principal">;

/** How much a server takes. Each limit has its own refusal. */
export interface ServerLimits {
  /** Communication processes at once, those still being made included; more are refused `server_busy`. 50,000. */
  readonly sessionsMax: number;
  /**
   * Processes from one source address (IPv4 address or IPv6 /64) that nobody attached to yet; more are refused
   * `too_many_requests`. 1,000.
   */
  readonly waitingPerSourceMax: number;
  /** Processes from one source address, attached to or not; more are refused `too_many_requests`. 10,000. */
  readonly sessionsPerSourceMax: number;
  /** Processes of one principal (what `authorize` answers); more are refused `too_many_requests`. 1,000. */
  readonly sessionsPerPrincipalMax: number;
  /**
   * Accesses from one source address in a second, and twice as many at once; faster ones are refused
   * `too_many_requests`. Behind a proxy that is not trusted (`trustProxy`) all clients are one source. 1,000.
   */
  readonly accessesPerSourcePerSecondMax: number;
  /**
   * Processes that the server starts in a second, whoever asks, and as many at once; more are refused `server_busy`.
   * Set it to what the host bears: an operating-system process takes some 50 ms of a core. 2,000.
   */
  readonly startsPerSecondMax: number;
  /** Octets of the body of a request to the wire; more are refused `body_too_large`. 262,144. */
  readonly accessBytesMax: number;
  /** How long such a body may take to arrive. 10,000 ms. */
  readonly bodyTimeoutMs: number;
  /** How long the head of any request may take to arrive; with `serve` only. 10,000 ms. */
  readonly headTimeoutMs: number;
}

/** What {@link serve} and {@link attach} take. */
export interface ServerOptions<Service extends object = object> {
  /**
   * The fixed connection address, such as `http://0.0.0.0:9000/WAO`: host and port to listen at, a path prefix if any,
   * and the system ID (`WAO` when it names none). Port 0 takes a free one. With `attach`, host and port are those of
   * the HTTP server, and a path such as `/WAO` is enough.
   */
  readonly address: string;
  /** The only service: a class, or a host that runs it elsewhere. Either this or `services`. */
  readonly service?: ServiceClass<Service> | ProcessHost;
  /** Several services by name; a client asks for one of them (D2). */
  readonly services?: Readonly<Record<string, ServiceClass<Service> | ProcessHost>>;
  /** How identifications are made: `"random"` (default), `"sequential"` for laboratory and demonstration, or yours. */
  readonly ids?: "random" | "sequential" | AddressGenerator;
  /** The name of this node in random identifications, different for each node behind one address. `"n1"`. */
  readonly node?: string;
  /**
   * At least 32 octets (or characters) that all keys are derived from; keep it, and a restarted server still tells the
   * holders of old keys that their sessions have ended. Default: random per start.
   */
  readonly secret?: Uint8Array | string;
  /** How long a session outlives its links. 120,000 ms. */
  readonly leaseMs?: number;
  /** How long a process that was never attached to waits for a sign of its client until `attach_timeout`. 15,000 ms. */
  readonly attachDeadlineMs?: number;
  /** How long the answer to a first access stays open for the results of early calls (D4). 100 ms. */
  readonly firstAnswerHoldMs?: number;
  readonly limits?: Partial<ServerLimits>;
  /** What each process takes of its client: windows and sizes, told to it in the answer to its access. */
  readonly sessionLimits?: Partial<AnnouncedLimits>;
  /** Octets of calls to one client that wait until it takes them; beyond it they reject `queue_full`. 1,048,576. */
  readonly queueBytesMax?: number;
  /**
   * Is told what a service threw (D24). Default: the event `service_error`, and where nobody listens to that, a
   * warning of the process, once per kind. It may be async; if it throws or rejects, that is an event `error`, no more.
   */
  readonly onError?: (error: unknown, where: FailedCall) => void;
  /** Origins of pages on other hosts that may use this server, such as `https://app.example.com`. None. */
  readonly origins?: readonly string[];
  /** The host names (or `host:port`) that requests may name. Default: any, but on loopback loopback's own only. */
  readonly hosts?: readonly string[];
  /**
   * Whether one proxy of yours, and nobody else, reaches this server: then the last value of X-Forwarded-For, -Host
   * and -Proto is believed. Default false: they are ignored.
   */
  readonly trustProxy?: boolean;
  /**
   * Decides about an access before its process is made: a principal (who it is) or undefined lets it in; a
   * DuowireError, returned or thrown, refuses it with that code, such as `access_denied`. It has 10 s.
   */
  readonly authorize?: (access: AskedAccess) => Authorization | Promise<Authorization>;
  /**
   * What runs around each call, of the client and of the service, for logs and traces; the first is outermost. Only for
   * classes, which run in the server's own process: with a host, `invalid_argument`. None.
   */
  readonly interceptors?: readonly Interceptor<ServiceSession>[];
  /** Whether clients are told the stacks of what services throw. They show what runs here: for development. false. */
  readonly errorStacks?: boolean;
  readonly clock?: Clock;
  readonly random?: RandomOctets;
}

/** What `authorize` answers: who it is, nobody in particular, or a refusal. */
export type Authorization = string | undefined | DuowireError;

/** The limits of a server that names none. */
export const defaultServerLimits: ServerLimits = {
  sessionsMax: 50_000,
  waitingPerSourceMax: 1_000,
  sessionsPerSourceMax: 10_000,
  sessionsPerPrincipalMax: 1_000,
  accessesPerSourcePerSecondMax: 1_000,
  startsPerSecondMax: 2_000,
  accessBytesMax: 262_144,
  bodyTimeoutMs: 10_000,
  headTimeoutMs: 10_000,
};

/** The system ID of an address that names none. */
const SYSTEM_ID = "WAO";
/** The name of the service that is the only one. */
const ONLY_SERVICE = "default";
const SECRET_LENGTH_MIN = 32;

/** The options, read and completed. */
export interface Settings {
  readonly address: ConnectionAddress;
  /** Whether the whole HTTP server is ours: then the IP address alone is a fixed address too, nothing is foreign. */
  readonly ownsServer: boolean;
  readonly services: ReadonlyMap<string, ServiceClass | ProcessHost>;
  readonly ids: AddressGenerator;
  readonly secret: Uint8Array;
  readonly leaseMs: number;
  readonly attachDeadlineMs: number;
  readonly firstAnswerHoldMs: number;
  readonly limits: ServerLimits;
  readonly sessionLimits: AnnouncedLimits;
  readonly queueBytesMax: number;
  readonly onError: ServerOptions["onError"];
  readonly origins: readonly string[];
  readonly hosts: readonly string[] | undefined;
  readonly trustProxy: boolean;
  readonly authorize: ServerOptions["authorize"];
  readonly interceptors: ServerOptions["interceptors"];
  readonly errorStacks: boolean;
  readonly clock: Clock;
  readonly random: RandomOctets;
}

/** Reads options; throws `bad_address` or `invalid_argument` that says which option and what it should be. */
export function readSettings(options: ServerOptions, ownsServer: boolean): Settings {
  const { clock = systemClock, random = platformRandom } = options;
  const address = readAddress(options.address, ownsServer);
  const ids = readIds(options, address.id, random);
  return {
    address,
    ownsServer,
    services: readServices(options),
    ids,
    secret: readSecret(options.secret, ids, random),
    leaseMs: atLeast("leaseMs", options.leaseMs ?? 120_000, 1_000),
    attachDeadlineMs: atLeast("attachDeadlineMs", options.attachDeadlineMs ?? 15_000, 1),
    firstAnswerHoldMs: atLeast("firstAnswerHoldMs", options.firstAnswerHoldMs ?? 100, 0),
    limits: readLimits(options.limits),
    sessionLimits: readSessionLimits(options.sessionLimits),
    queueBytesMax: atLeast("queueBytesMax", options.queueBytesMax ?? 1_048_576, BATCH_BYTES_MAX),
    onError: options.onError,
    origins: (options.origins ?? []).map(readOrigin),
    hosts: options.hosts?.map((host) => host.toLowerCase()),
    trustProxy: options.trustProxy ?? false,
    authorize: options.authorize,
    interceptors: options.interceptors,
    errorStacks: options.errorStacks ?? false,
    clock,
    random,
  };
}

function readSessionLimits(given: Partial<AnnouncedLimits> = {}): AnnouncedLimits {
  const limits = { ...defaultLimits, ...given };
  for (const name of Object.keys(leastLimits) as (keyof AnnouncedLimits)[]) {
    atLeast(`sessionLimits.${name}`, limits[name], leastLimits[name]);
  }
  return limits;
}

function readAddress(text: string, ownsServer: boolean): ConnectionAddress {
  const whole = !ownsServer && text.startsWith("/") ? `http://localhost${text}` : text;
  const address = ConnectionAddress.parse(whole);
  if (address.query !== "")
    throw new DuowireError("bad_address", `the server's own address ${text} has a query; drop it`);
  if (ownsServer && address.scheme === "https") {
    const advice = "serve() speaks plain http: make a server with node:https and use attach(httpsServer, options)";
    throw new DuowireError("bad_address", `the address ${text} is https; ${advice}, or put a proxy in front`);
  }
  return address.id === "" ? address.inherit(SYSTEM_ID) : address;
}

function readServices({ service, services }: ServerOptions): Map<string, ServiceClass | ProcessHost> {
  if ((service === undefined) === (services === undefined))
    throw invalid("give either service or services, one of both");
  const named = new Map(service === undefined ? Object.entries(services ?? {}) : [[ONLY_SERVICE, service]]);
  if (named.size === 0) throw invalid("services is empty; name at least one");
  for (const [name, one] of named) {
    if (typeof one !== "function" && typeof one?.generate !== "function") {
      throw invalid(`service ${name} is neither a class nor a host such as childProcess(url)`);
    }
  }
  return named;
}

function readIds(
  { ids = "random", node = "n1" }: ServerOptions,
  systemId: string,
  random: RandomOctets,
): AddressGenerator {
  if (ids === "random") return randomIds({ systemId, node, random });
  if (ids === "sequential") return sequentialIds(systemId);
  if (ids.systemId === systemId) return ids;
  throw invalid(`ids makes identifications of ${ids.systemId}, but the address is that of ${systemId}`);
}

/** Identifications that start over must not meet keys of an earlier start, so then the secret never outlives it. */
function readSecret(given: Uint8Array | string | undefined, ids: AddressGenerator, random: RandomOctets): Uint8Array {
  if (given !== undefined && given.length < SECRET_LENGTH_MIN) {
    throw invalid(
      `secret has ${given.length} octets, at least ${SECRET_LENGTH_MIN} are needed: openssl rand -base64 32`,
    );
  }
  if (given === undefined || ids.startsOver) return random(SECRET_LENGTH_MIN);
  return typeof given === "string" ? new TextEncoder().encode(given) : given;
}

function readLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  const limits = { ...defaultServerLimits, ...given };
  for (const [name, value] of Object.entries(limits)) atLeast(`limits.${name}`, value, 1);
  return limits;
}

function readOrigin(text: string): string {
  if (text === "null") return text;
  const origin = URL.canParse(text) ? new URL(text).origin : "null";
  if (origin === text) return text;
  throw invalid(
    `origins names ${JSON.stringify(text)}; expected scheme and host only, such as https://app.example.com`,
  );
}

function atLeast(name: string, value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw invalid(`${name} is ${value}; expected a number of at least ${least}`);
}

function invalid(message: string): DuowireError {
  return new DuowireError("invalid_argument", message, { side: "local" });
}
