/** What is awaited and what is not: data that came over the wire may have a `then`, too. spec/rpc.md, section 2.3. */
import type { DuowireError } from "../base/errors.js";
import { localError } from "./messages.js";

/** Whether awaiting `value` would call something of it. */
export function hasThen(value: unknown): boolean {
  return typeof value === "object" && typeof (value as { then?: unknown } | null)?.then === "function";
}

/** Promises and their like, but not data: that came over the wire, perhaps, and its `then` with it. */
export function mustBeAwaited(value: unknown): boolean {
  if (!hasThen(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null;
}

/** Why a result with a function under this name is no result. */
export function unsendableThen(): DuowireError {
  return localError("invalid_argument", "result.then cannot be sent: it is a function");
}
