/** Where a request came from, and which requests count as from one source. */
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { lastValue } from "./origins.js";

/** The client's address: the socket's, or under `trustProxy` the last one that the proxy wrote, if it is an address. */
export function clientAddress(request: IncomingMessage, trustProxy: boolean): string {
  const forwarded = trustProxy ? lastValue(request.headers["x-forwarded-for"]) : undefined;
  if (forwarded !== undefined && isIP(forwarded) !== 0) return forwarded;
  return request.socket.remoteAddress ?? "";
}

/** What is counted as one source: an IPv4 address, or the /64 that one IPv6 customer has at least. */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  const zeros = Array.from({ length: Math.max(missing, 0) }, () => "0");
  const network = [...groups, ...zeros, ...(tail === undefined || tail === "" ? [] : tail.split(":"))].slice(0, 4);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
