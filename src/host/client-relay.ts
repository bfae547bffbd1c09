/**
 * `server.sessions.get(id).client` for a process that runs elsewhere (D25): the carrier's end of the talk hands each
 * call on to the client's stub, and its answer back.
 *
 * Functions among arguments and results are handed on as functions of our own, so that they work through both hops.
 * Objects by reference (Target) are not: such a call rejects `invalid_argument`.
 */
import { stubTargetOf } from "../rpc/stub.js";
import { relayRoot } from "./flow-talk.js";

type Callable = (...args: unknown[]) => unknown;

/** A root whose calls are made on `client()`, the stub of whoever is the client then. */
export function clientRelay(client: () => unknown): object {
  return relayRoot(async (method, args) => {
    const stub = client() as Record<string, Callable>;
    return relayed(await stub[method]?.(...args.map(relayed)));
  });
}

/** What each stub of a function is handed on as: the same function each time. */
const functions = new WeakMap<object, unknown>();

/** `value` with a function of ours in the place of each stub of a function. */
export function relayed(value: unknown): unknown {
  if (typeof value === "function") return stubTargetOf(value) ? relayedFunction(value as Callable) : value;
  if (typeof value !== "object" || value === null || stubTargetOf(value) !== undefined) return value;
  if (Array.isArray(value)) return value.map(relayed);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [relayed(key), relayed(item)]));
  if (value instanceof Set) return new Set([...value].map(relayed));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, relayed(item)]));
}

function relayedFunction(stub: Callable): unknown {
  const known = functions.get(stub);
  if (known !== undefined) return known;
  const relay = async (...args: unknown[]) => relayed(await stub(...args.map(relayed)));
  functions.set(stub, relay);
  return relay;
}
