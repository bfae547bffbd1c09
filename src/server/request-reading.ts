/** Reads what a request to the wire says: its head strictly, its body within limits. */
import type { IncomingMessage } from "node:http";
import type { AccessRequest } from "../access/access-acceptance.js";
import { decodeBase64url } from "../access/base64url.js";
import type { Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { MalformedOctets } from "../base/octets.js";
import type { AccessFrame } from "../frame/control.js";
import { decodeFrames, type Frame, frameLengthAt, frameTypes } from "../frame/frame.js";
import { WIRE_VERSION } from "../frame/limits.js";
import { ClientGone } from "./refusals.js";

/** How much of a body is read, and for how long. */
export interface BodyLimits {
  readonly accessBytesMax: number;
  readonly bodyTimeoutMs: number;
}

/** A first access as its body states it: with frames, or without. */
export interface ReadAccess extends AccessRequest {
  /** The ACCESS frame; undefined for the JSON form. */
  readonly frame: AccessFrame | undefined;
  /** The whole frames that follow the ACCESS frame. */
  readonly early: Uint8Array;
}

const NONCE_BYTES = 16;
const KEY_BYTES = 32;
const NOTHING = new Uint8Array(0);

/** Throws `bad_request` for heads that Node lets through but that two programs on the way could read differently. */
export function checkHead({ httpVersion, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== "1.1" && httpVersion !== "1.0") throw badRequest("the wire is HTTP/1.1 (or HTTP/1.0)");
  const hosts = countHeader(rawHeaders, "host");
  if (hosts > 1) throw badRequest("the request has more than one Host header");
  if (hosts === 0 && httpVersion === "1.1") throw badRequest("the request has no Host header");
}

/** The whole body. Rejects `body_too_large` or `bad_request` while it still comes, ClientGone when it breaks off. */
export function readBody(request: IncomingMessage, limits: BodyLimits, clock: Clock): Promise<Buffer> {
  const { accessBytesMax, bodyTimeoutMs } = limits;
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const settle = (error?: Error) => {
      cancel();
      request.off("data", take).off("end", finish).off("close", lose);
      if (error === undefined) resolve(Buffer.concat(pieces));
      else reject(error);
    };
    const take = (piece: Buffer) => {
      length += piece.length;
      if (length > accessBytesMax) settle(tooLarge(accessBytesMax));
      else pieces.push(piece);
    };
    const finish = () => settle();
    const lose = () => settle(new ClientGone("the connection broke off within the request"));
    const late = () => settle(badRequest(`the body did not come within ${bodyTimeoutMs} ms`));
    const cancel = clock.after(bodyTimeoutMs, late);
    if (Number(request.headers["content-length"] ?? 0) > accessBytesMax) settle(tooLarge(accessBytesMax));
    else request.on("data", take).once("end", finish).once("close", lose);
  });
}

/** Whether a body is frames: JSON and text never begin with the first octet of one. */
export function isFrames(body: Uint8Array): boolean {
  const [first] = body;
  return first === frameTypes.access || first === frameTypes.attach || first === frameTypes.exchange;
}

/** A first access in either form. Throws `bad_request`, or `version_unsupported` for another version of the wire. */
export function readAccess(body: Buffer): ReadAccess {
  if (isFrames(body)) return readAccessFrames(body);
  const stated = body.length === 0 ? {} : readJson(body);
  if (stated === undefined) throw badRequest("the body is neither frames nor a JSON object, nor empty");
  const { nonce, service, triedMsAgo = 0 } = stated;
  const read = nonce === undefined ? undefined : nonceText(nonce);
  if (nonce !== undefined && read === undefined) throw badRequest("nonce is not 128 bits as base64url or hex");
  if (service !== undefined && typeof service !== "string") throw badRequest("service is not a text");
  if (!Number.isSafeInteger(triedMsAgo) || (triedMsAgo as number) < 0) throw badRequest("triedMsAgo is not a count");
  return { nonce: read, service, triedMsAgo: triedMsAgo as number, frame: undefined, early: NOTHING };
}

/** The first frame of a body and the octets after it, which are whole frames too. Throws `bad_request`. */
export function readFirstFrame(body: Uint8Array): { first: Frame | undefined; rest: Uint8Array } {
  try {
    const length = frameLengthAt(body, 0) ?? 0;
    for (let at = 0; at < body.length; ) {
      at += frameLengthAt(body, at) ?? Number.POSITIVE_INFINITY;
      if (at > body.length) throw new MalformedOctets("a frame that is cut off");
    }
    let first: Frame | undefined;
    decodeFrames(body.subarray(0, length), (frame) => {
      first = frame;
    });
    return { first, rest: body.subarray(length) };
  } catch (error) {
    if (error instanceof MalformedOctets) throw badRequest(`the body's frames are malformed: ${error.message}`);
    throw error;
  }
}

/** The key that a request shows: `Authorization: Bearer`, a JSON body `{ "key" }`, or 32 octets as they are. */
export function shownKey({ headers, rawHeaders }: IncomingMessage, body: Buffer): Uint8Array | undefined {
  if (headers.authorization !== undefined) {
    // Two of them is one too many: another program on the way may have read the other one.
    if (countHeader(rawHeaders, "authorization") > 1) return undefined;
    const [scheme = "", key = "", ...more] = headers.authorization.split(" ");
    return scheme.toLowerCase() === "bearer" && more.length === 0 ? decodeBase64url(key, KEY_BYTES) : undefined;
  }
  const key = readJson(body)?.key;
  if (typeof key === "string") return decodeBase64url(key, KEY_BYTES);
  return body.length === KEY_BYTES ? body : undefined;
}

/** A refusal of a request that is not what its address asks for. */
export function badRequest(message: string): DuowireError {
  return new DuowireError("bad_request", message);
}

function readAccessFrames(body: Buffer): ReadAccess {
  const { first, rest } = readFirstFrame(body);
  if (first?.type !== "access") throw badRequest("the first frame at the fixed address must be ACCESS");
  if (first.version !== WIRE_VERSION) {
    const versions = `the access is of version ${first.version}, the server of version ${WIRE_VERSION}`;
    throw new DuowireError("version_unsupported", versions);
  }
  const { service, triedMsAgo } = first;
  return { nonce: hex(first.nonce), service, triedMsAgo, frame: first, early: rest };
}

function readJson(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function nonceText(nonce: unknown): string | undefined {
  if (typeof nonce !== "string") return undefined;
  if (/^[0-9a-f]{32}$/i.test(nonce)) return nonce.toLowerCase();
  const octets = decodeBase64url(nonce, NONCE_BYTES);
  return octets && hex(octets);
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString("hex");
}

function countHeader(rawHeaders: readonly string[], name: string): number {
  return rawHeaders.filter((header, index) => index % 2 === 0 && header.toLowerCase() === name).length;
}

function tooLarge(accessBytesMax: number): DuowireError {
  return new DuowireError("body_too_large", `the body is larger than ${accessBytesMax} octets`);
}
