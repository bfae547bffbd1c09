/**
 * One POST whose body and answer are frames, in Node and in browsers.
 *
 * The request is one that a browser sends without a preflight: no header of ours, no Content-Type (D15). Whatever is
 * not an answer of this protocol is turned into a REFUSED of our own, so that its reader has one case to handle.
 */

import { post } from "#post";
import { type ErrorCode, isErrorCode } from "../base/errors.js";
import { MalformedOctets } from "../base/octets.js";
import { encodeFrame } from "../frame/frame.js";
import { FrameSplitter } from "../frame/frame-splitter.js";
import type { LinkEnd } from "../frame/link.js";
import type { Answer } from "./post.js";

/** How a request ended, in the words of a link. */
export interface RequestEnd {
  readonly reason: string;
  readonly end: LinkEnd;
}

/** The media type of a body of frames. */
const FRAMES_TYPE = "application/octet-stream";
/** How much of a strange answer's text is quoted, without its tags. */
const WORDS_CHARACTERS = 80;
const QUOTED_FROM = 2_000;
/** A refusal in JSON is shorter. */
const TEXT_CHARACTERS_MAX = 65_536;

/**
 * Posts to `href` what `bodyOf` gives once there is a connection, and gives each piece of whole frames of the answer to
 * `receive`. Never rejects.
 */
export async function requestFrames(
  href: string,
  bodyOf: () => Uint8Array | undefined,
  signal: AbortSignal,
  receive: (frames: Uint8Array) => void,
): Promise<RequestEnd> {
  const refuse = (code: ErrorCode, message: string, retryAfterMs = 0) =>
    receive(encodeFrame({ type: "refused", code, message, ...(retryAfterMs > 0 && { retryAfterMs }) }));
  try {
    const answer = await post(href, bodyOf, signal);
    if (answer.header("content-type")?.startsWith(FRAMES_TYPE)) await readFrames(answer, receive);
    else refuse(...(await refusalIn(answer)));
    return { reason: "the answer has ended", end: "answered" };
  } catch (error) {
    const code = codeOf(error);
    if (error instanceof MalformedOctets) refuse("not_duowire", `${href}: ${error.message}`);
    if (isCertificateCode(code)) refuse("bad_certificate", `${href}: ${code}`);
    // A plain answer to a TLS handshake: trying again changes nothing.
    if (code?.includes("SSL_")) refuse("not_duowire", `${href}: ${code}; does the server speak plain http?`);
    const reason = code === undefined ? hiddenReason(error) : `${code} at ${new URL(href).host}`;
    return { reason, end: code === "ECONNREFUSED" ? "refused" : "lost" };
  }
}

/**
 * Posts `octets` so that the request outlives the page that makes it; nobody hears of the answer. A redirection is not
 * followed: it would take the key along, wherever it leads.
 */
export function postLeaving(href: string, octets: Uint8Array): void {
  const body = octets as Uint8Array<ArrayBuffer>;
  void fetch(href, { method: "POST", body, keepalive: true, redirect: "manual", credentials: "omit" }).catch(() => {});
}

async function readFrames(answer: Answer, receive: (frames: Uint8Array) => void): Promise<void> {
  const splitter = new FrameSplitter();
  await answer.read((piece) => {
    const frames = splitter.push(piece);
    if (frames !== undefined) receive(frames);
  });
}

/** What an answer says that is not made of frames: a refusal in JSON, or that it is no duowire server's. */
export async function refusalIn(answer: Answer): Promise<[ErrorCode, string, number]> {
  const { status } = answer;
  if (status >= 300 && status < 400) {
    const where = answer.header("location") ?? "a target that the browser does not tell";
    return ["redirected", `the address redirects to ${where}; use that address itself`, 0];
  }
  const retryAfterMs = Number(answer.header("retry-after") ?? 0) * 1_000 || 0;
  const text = await textOf(answer);
  const refusal = answer.header("content-type")?.startsWith("application/json") ? readRefusal(text) : undefined;
  if (refusal !== undefined) return [...refusal, retryAfterMs];
  const words = text
    .slice(0, QUOTED_FROM)
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, WORDS_CHARACTERS);
  return [codeOfStatus(status), `status ${status}, from something that is no duowire server: "${words}"`, retryAfterMs];
}

/** The beginning of an answer's text, which is all that is looked at. */
async function textOf(answer: Answer): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  await answer.read((piece) => {
    if (text.length < TEXT_CHARACTERS_MAX) text += decoder.decode(piece, { stream: true });
  });
  return text;
}

/** A refusal that the server decided before it read that the request speaks frames. */
function readRefusal(text: string): [ErrorCode, string] | undefined {
  try {
    const { code, message } = JSON.parse(text) as { code?: unknown; message?: unknown };
    return isErrorCode(code) && typeof message === "string" ? [code, message] : undefined;
  } catch {
    return undefined;
  }
}

/** A proxy in front of the server may speak for it; only what passes is worth another try. */
function codeOfStatus(status: number): ErrorCode {
  if (status === 429) return "too_many_requests";
  return status >= 500 ? "server_busy" : "not_duowire";
}

/** Node says why a request failed, of several addresses of each; a browser says nothing. */
function codeOf(error: unknown): string | undefined {
  const { code: own, errors } = error as { code?: unknown; errors?: { code?: unknown }[] };
  const code = own ?? errors?.[0]?.code;
  return typeof code === "string" ? code : undefined;
}

/** What there is to say of a failure without a code: a browser keeps it to itself, on purpose. */
function hiddenReason(error: unknown): string {
  const message = String((error as Error)?.message ?? error);
  if (typeof document === "undefined") return message;
  return `${message} (a browser tells no more: is the server there, and this page's origin among its origins?)`;
}

function isCertificateCode(code: string | undefined): boolean {
  return code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH/.test(code);
}
