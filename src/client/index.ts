/** The public entry `duowire/client`, for Node and for browsers: `connect`. */
import { ConnectionAddress } from "../access/connection-address.js";
import type { ClientOf } from "../rpc/types.js";
import { platformNetwork } from "./network.js";
import { ClientSession, type ConnectOptions, platformParts } from "./session.js";

export type { ConnectionAddress } from "../access/connection-address.js";
export { DuowireError, type ErrorCode } from "../base/errors.js";
export type { Channel, ChannelEvents } from "../rpc/channel.js";
export { RemoteError } from "../rpc/remote-error.js";
export type { LinkChoice } from "./network.js";
export type { ClientSession, ClientState, ConnectOptions, LinkInfo, SessionEvents } from "./session.js";

/**
 * Makes a first access at `address` and returns its session at once; nothing has travelled yet. Calls made before the
 * server has answered wait for it; those of the same turn travel with the access.
 *
 * ```ts
 * const expose = { confirm: async (question: string) => ask(question) };
 * await using session = connect<Desk>("http://211.11.110.15:9000/WAO", { expose });
 * await session.remote.place({ symbol: "ACME", total: 120 });
 * ```
 *
 * A server that refuses connections or is silent is tried again until `connectTimeoutMs`; everything else that is wrong
 * (refused, no such service, a bad certificate, not a duowire server) closes the session at once: `opened` and all
 * calls reject with the reason, `closed` settles with it.
 *
 * Throws `bad_address` for an address that cannot be read, `invalid_argument` for something exposed that cannot be.
 */
export function connect<Service extends object>(
  address: string | URL,
  options: ConnectOptions<ClientOf<Service>> = {},
): ClientSession<Service> {
  return new ClientSession<Service>(ConnectionAddress.parse(address), options, {
    ...platformParts,
    network: platformNetwork,
  });
}
