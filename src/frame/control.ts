/**
 * The rare frames: MessagePack maps with short string keys. Unknown keys are ignored, which is how the wire grows;
 * a known key with a value of the wrong kind is malformed, and so is a missing one that is not marked optional.
 */
import { MalformedOctets } from "../base/octets.js";
import { AHEAD_BYTES_MAX, type AnnouncedLimits, defaultLimits, leastLimits, REASON_CHARACTERS_MAX } from "./limits.js";

/** What an attach states, whichever frame carries it (D11, D14). */
export interface AttachFields {
  /** The wire's version: `WIRE_VERSION`. */
  readonly version: number;
  /** 128 random bits that a client makes once, when it starts: the same for all attaches of one session object. */
  readonly incarnation: Uint8Array;
  /** 1, 2, 3, … within one incarnation; the highest wins. */
  readonly attach: number;
  /** The last batch that the sender has received, 0 for none. */
  readonly received: number;
  /** The sender's session clock now. */
  readonly clockMs: number;
  readonly limits: AnnouncedLimits;
  /** Messages that take effect before the replay: calls cancelled since (D14). */
  readonly ahead?: Uint8Array;
}

/** The first access (source: S1), with the attach that lets the first calls travel along (D1, D2, D4). */
export interface AccessFrame extends AttachFields {
  readonly type: "access";
  /** 128 random bits made by the client: a repeat of one access carries the same. */
  readonly nonce: Uint8Array;
  /** Which service is asked for; the server's only one when left out. */
  readonly service?: string;
  /** How long ago this access was first tried. */
  readonly triedMsAgo: number;
  /** A round trip by TCP's own handshake, where that is long: the answer stays open meanwhile, and is paced. */
  readonly roundTripMs?: number;
}

/** The access to the process at its own address (source: S5): who attaches must show the key. */
export interface AttachFrame extends AttachFields {
  readonly type: "attach";
  readonly key: Uint8Array;
  /** The link accompanies the one of this attach, and takes nobody's place: its companions are 1, 2, 3, … */
  readonly companion?: number;
}

/** The server's answer to ACCESS and ATTACH: from here on both sides go on where they stopped. */
export interface WelcomeFrame {
  readonly type: "welcome";
  readonly version: number;
  /** The attach number that this answers. */
  readonly attach: number;
  readonly received: number;
  readonly clockMs: number;
  readonly limits: AnnouncedLimits;
  readonly leaseMs: number;
  /** Named by the next upgrade at the session's address; the current and the previous one are valid (D27). */
  readonly admission: string;
  /** Only in the answer to ACCESS: the identification that is notified (source: S3), and its key. */
  readonly id?: string;
  readonly key?: Uint8Array;
  /** Which kinds of link the server offers, the best first. */
  readonly links?: readonly string[];
  /** Only in the answer to ACCESS: for how long the server had it until the process was made. */
  readonly heldMs?: number;
  readonly ahead?: Uint8Array;
}

/** The server's refusal of ACCESS or ATTACH: a code of the error table. */
export interface RefusedFrame {
  readonly type: "refused";
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** One side ends the session once the other has received everything up to `last`. */
export interface CloseFrame {
  readonly type: "close";
  readonly code: string;
  readonly message: string;
  /** The sender's last batch, 0 for none: close never overtakes data. */
  readonly last: number;
}

/** The server will end the session in good order, once nothing is under way or `endsInMs` are over. */
export interface GoAwayFrame {
  readonly type: "goaway";
  readonly code: string;
  readonly message: string;
  readonly endsInMs: number;
}

/** The head of each request of an http-exchange link, and both the head and the end of each answer (D10). */
export interface ExchangeFrame {
  readonly type: "exchange";
  /** 128 random bits, made by the client for this link. */
  readonly link: Uint8Array;
  /** In a request: the session's key, so that each may come first, on any connection. */
  readonly key?: Uint8Array;
  /** Requests and answers count 1, 2, 3, …; the answer to request n is answer n. */
  readonly number: number;
  /** In a request: all answers up to this one have come. In an answer: all requests up to this one have. */
  readonly confirmed: number;
  /** In a request: how long the answer may wait for its first frames. In an answer: 0. */
  readonly parkMs: number;
  /** In a request: how long the answer may be kept open after them; 0 asks for polling. In an answer: 0. */
  readonly holdMs: number;
  /** In a request: frames follow each other in the answer at this distance; what comes meanwhile leaves together. */
  readonly paceMs?: number;
}

/** A frame whose payload is a map. */
export type ControlFrame =
  | AccessFrame
  | AttachFrame
  | WelcomeFrame
  | RefusedFrame
  | CloseFrame
  | GoAwayFrame
  | ExchangeFrame;

const TEXT_CHARACTERS_MAX = 256;
const KEY_BYTES = 32;
const NONCE_BYTES = 16;

/** What a field must be; each check returns the value or throws {@link MalformedOctets}. */
type Check = (value: unknown, name: string) => unknown;

const wrong = (name: string, what: string): never => {
  throw new MalformedOctets(`field ${name} of a control frame is not ${what}`);
};
const count: Check = (value, name) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? value : wrong(name, "a number of 0 to 2^53 - 1");
const atLeastOne: Check = (value, name) =>
  (count(value, name) as number) > 0 ? value : wrong(name, "a number of at least 1");
const text: Check = (value, name) =>
  typeof value === "string" && value.length <= TEXT_CHARACTERS_MAX ? value : wrong(name, "a short text");
const reason: Check = (value, name) =>
  typeof value === "string" ? value.slice(0, REASON_CHARACTERS_MAX) : wrong(name, "a text");
const octetsOf =
  (length: number): Check =>
  (value, name) =>
    value instanceof Uint8Array && value.length === length ? value : wrong(name, `${length} octets`);
const ahead: Check = (value, name) =>
  value instanceof Uint8Array && value.length <= AHEAD_BYTES_MAX ? value : wrong(name, "octets within the limit");
const texts: Check = (value, name) =>
  Array.isArray(value) && value.length <= 16 ? value.map((item) => text(item, name)) : wrong(name, "a short list");

const limitNames = Object.keys(defaultLimits) as (keyof AnnouncedLimits)[];
const limits: Check = (value, name) => {
  if (value === undefined) return defaultLimits;
  const stated = mapOf(value, name);
  const read = (limit: keyof AnnouncedLimits) =>
    Math.max(
      leastLimits[limit],
      count(Object.hasOwn(stated, limit) ? stated[limit] : defaultLimits[limit], limit) as number,
    );
  return Object.fromEntries(limitNames.map((limit) => [limit, read(limit)]));
};

interface Field {
  readonly check: Check;
  readonly optional?: true;
}
const must = (check: Check): Field => ({ check });
const may = (check: Check): Field => ({ check, optional: true });

const attachFields: Record<string, Field> = {
  version: must(count),
  incarnation: must(octetsOf(NONCE_BYTES)),
  attach: must(atLeastOne),
  received: must(count),
  clockMs: must(count),
  limits: must(limits),
  ahead: may(ahead),
};

/** The fields of each control frame: their order here is their order in the octets that we send. */
const fieldsOf: Record<ControlFrame["type"], Record<string, Field>> = {
  access: {
    ...attachFields,
    nonce: must(octetsOf(NONCE_BYTES)),
    service: may(text),
    triedMsAgo: must(count),
    roundTripMs: may(count),
  },
  attach: { ...attachFields, key: must(octetsOf(KEY_BYTES)), companion: may(atLeastOne) },
  welcome: {
    version: must(count),
    attach: must(atLeastOne),
    received: must(count),
    clockMs: must(count),
    limits: must(limits),
    leaseMs: must(count),
    admission: must(text),
    id: may(text),
    key: may(octetsOf(KEY_BYTES)),
    links: may(texts),
    heldMs: may(count),
    ahead: may(ahead),
  },
  refused: { code: must(text), message: must(reason), retryAfterMs: may(count) },
  close: { code: must(text), message: must(reason), last: must(count) },
  goaway: { code: must(text), message: must(reason), endsInMs: must(count) },
  exchange: {
    link: must(octetsOf(NONCE_BYTES)),
    key: may(octetsOf(KEY_BYTES)),
    number: must(atLeastOne),
    confirmed: must(count),
    parkMs: must(count),
    holdMs: must(count),
    paceMs: may(count),
  },
};

/** The map that a control frame is sent as: its fields in the order of the table, those left out left out. */
export function controlFields(frame: ControlFrame): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(fieldsOf[frame.type])) {
    const value = (frame as unknown as Record<string, unknown>)[name];
    if (value !== undefined) fields[name] = name === "message" ? reason(value, name) : value;
  }
  return fields;
}

/** A control frame read from its map; {@link MalformedOctets} when a field is missing or is not what it must be. */
export function readControl(type: ControlFrame["type"], value: unknown): ControlFrame {
  const map = mapOf(value, type);
  const frame: Record<string, unknown> = { type };
  for (const [name, field] of Object.entries(fieldsOf[type])) {
    const stated = Object.hasOwn(map, name) ? map[name] : undefined;
    if (stated === undefined && field.optional) continue;
    frame[name] = field.check(stated, name);
  }
  return frame as unknown as ControlFrame;
}

function mapOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    return wrong(name, "a map");
  }
  return value as Record<string, unknown>;
}
