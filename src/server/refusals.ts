/** Refusals: an error of the table as an HTTP answer, in the form that the request was made in. */
import "../base/meanings.js";
import { DuowireError, type ErrorCode, type ErrorRow, errorTable } from "../base/errors.js";
import { encodeFrame } from "../frame/frame.js";
import { type Exchange, sendAnswer } from "./exchange.js";

/** A refusal ready to be sent. */
export interface RefusalAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A connection that ended before its request did: nobody is left to answer. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** The answer that nobody without a key can tell from any other: unknown, malformed, guessed and wrong are all this. */
export function sessionUnknown(): DuowireError {
  return new DuowireError("session_unknown");
}

/** Any failure as the refusal that a client is told; what failed inside stays inside. */
export function refusalOf(error: unknown): DuowireError {
  if (error instanceof DuowireError && statusOf(error.code) !== undefined) return error;
  return new DuowireError("service_failed", "the server failed in its own code");
}

/** The refusal in JSON. */
export function refusalAnswer(error: DuowireError): RefusalAnswer {
  const { code, message, retryAfterMs, data } = error;
  return {
    status: statusOf(code) ?? 500,
    headers: { "content-type": "application/json", ...retryHeader(retryAfterMs) },
    body: `${JSON.stringify({ code, message, retryAfterMs, data })}\n`,
  };
}

/** Answers an exchange with a refusal: as a REFUSED frame to a request of frames, in JSON to any other. */
export function refuse(exchange: Exchange, error: DuowireError, headers: Record<string, string> = {}): void {
  const answer = refusalAnswer(error);
  if (!exchange.spokeFrames) {
    sendAnswer(exchange, answer.status, { ...answer.headers, ...headers }, answer.body);
    return;
  }
  const { code, message, retryAfterMs } = error;
  const frame = encodeFrame({
    type: "refused",
    code,
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
  const type = { "content-type": "application/octet-stream" };
  sendAnswer(exchange, answer.status, { ...answer.headers, ...type, ...headers }, frame);
}

function statusOf(code: ErrorCode): number | undefined {
  const [, status] = errorTable[code] as ErrorRow;
  return status;
}

function retryHeader(retryAfterMs: number | undefined): Record<string, string> {
  return retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) };
}
