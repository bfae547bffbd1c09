/**
 * Errors between threads and processes. Structured clone would lose the class, the code and the outcome, and fails for
 * what holds a function; so an error crosses as a plain description, with its stack, and is made anew.
 */
import { DuowireError, isErrorCode } from "../base/errors.js";
import { RemoteError } from "../rpc/remote-error.js";
import type { CarriedError } from "./carrier-messages.js";

/** Causes of causes that cross. */
const CAUSES_MAX = 4;

/** An error, or whatever else was thrown, as it crosses. */
export function describeError(error: unknown, depth = 0): CarriedError {
  if (!(error instanceof Error)) return { name: "Error", message: textOf(error) };
  const { name, message, stack, cause } = error;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const described = { name: textOf(name), message: textOf(message), stack: textOf(stack ?? ""), code };
  const caused = cause === undefined || depth >= CAUSES_MAX ? undefined : describeError(cause, depth + 1);
  if (error instanceof RemoteError) return { ...described, isRemote: true, cause: caused };
  if (!(error instanceof DuowireError)) return { ...described, cause: caused };
  const { side, outcome, retryAfterMs } = error;
  return { ...described, side, outcome, retryAfterMs, cause: caused };
}

/** The error that a description is of: a DuowireError or RemoteError where it was one, otherwise an Error. */
export function restoreError(described: CarriedError): Error {
  const { name, message, stack, code, isRemote, cause } = described;
  const restored = cause === undefined ? {} : { cause: restoreError(cause) };
  if (isRemote === true) return new RemoteError({ name, message, code, stack, ...restored });
  if (name === "DuowireError" && isErrorCode(code)) return withStack(restoreDuowireError(described), stack);
  const error = withStack(new Error(message, restored), stack);
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}

/** As {@link restoreError} where a DuowireError is expected; anything else is a bug of ours, and said to be one. */
export function restoreDuowireError(described: CarriedError): DuowireError {
  const { code, message, side, outcome, retryAfterMs, cause } = described;
  return new DuowireError(isErrorCode(code) ? code : "internal_error", message, {
    ...(side === undefined ? {} : { side }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined ? {} : { cause: restoreError(cause) }),
  });
}

function withStack<E extends Error>(error: E, stack: string | undefined): E {
  if (stack) error.stack = stack;
  return error;
}

/** Never throws, whatever was thrown. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "an object without a text";
  }
}
