/**
 * `server.sessions.get(id).client` for a process that runs elsewhere (D25): the carrier's end of the talk hands each
 * call on to the client's stub, and its answer back. Functions, objects by reference and streams are handed on too, as
 * rpc/ does with the stubs of any third side; only a call on an answer that is not there yet (D17) waits here for it.
 */
import { relayRoot } from "./flow-talk.js";

type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** A root whose calls are made on `client()`, the stub of whoever is the client then. */
export function clientRelay(client: () => unknown): object {
  return relayRoot((method, args) => (client() as Methods)[method]?.(...args));
}
