/** Why a call of this side failed, as its caller is told. */
import { DuowireError, errorTable, isErrorCode } from "../base/errors.js";
import { localError } from "./messages.js";
import { unlink } from "./naming.js";
import type { PendingCall } from "./remote-call.js";
import { RemoteError } from "./remote-error.js";

/** What making a call threw is its outcome. */
export function notMade(call: PendingCall, error: unknown): void {
  if (!(error instanceof DuowireError)) throw error;
  const { code, message, cause, outcome } = error;
  unlink(call);
  call.reject(outcome ? error : localError(code, message, { cause, outcome: "not_sent" }));
}

/** Why a call failed that the end of the session left unanswered. */
export function endError(reason: DuowireError, isHanded: boolean): DuowireError {
  const { code, message, side = "local" } = reason;
  // A refused access says of all its calls that they did not run: then the refusal itself is the clearest answer.
  const wasRefused = reason.outcome === "not_sent";
  const outcome = isHanded && !wasRefused ? "outcome_unknown" : "not_sent";
  if (wasRefused || (code === "closed" && side === "local")) {
    return new DuowireError(code, message, { side, cause: reason, outcome });
  }
  const ran = isHanded ? "it may have run" : "it did not run";
  return new DuowireError(outcome, `the session ended before the call was answered, and ${ran}: ${message}`, {
    side,
    cause: reason,
    outcome,
  });
}

/** A failure that the far side answered with. */
export function answered(
  { method }: { readonly method: string },
  code: DuowireError["code"],
  message: string,
  from?: RemoteError,
): DuowireError {
  const { data, cause } = from ?? {};
  return new DuowireError(code, `${method}: ${message}`, { side: "remote", outcome: "answered", data, cause });
}

/**
 * What the error of a FAILURE, BREAK or STOP is for whom it is told. Codes that speak of the session are not the far
 * side's to give (spec 2.3).
 */
export function failureOf(call: { readonly method: string }, value: unknown): unknown {
  if (value instanceof Error && !(value instanceof RemoteError)) return value; // of a registered class
  if (!(value instanceof RemoteError))
    return new RemoteError({ message: `${call.method} threw what is no Error`, data: value });
  const { name, code, message } = value;
  const isOurs = name === "DuowireError" && isErrorCode(code) && errorTable[code][0] === "fix_call";
  return isOurs && code !== "not_sent" && code !== "outcome_unknown" ? answered(call, code, message, value) : value;
}
