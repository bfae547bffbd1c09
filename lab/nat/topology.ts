/**
 * The source's Figures 1 and 2 as data: who stands where, with which address. Everything else in the lab is derived
 * from this file. 211.11.110.15 and 192.168.1.1 are the figures' own addresses; the others are ours, since the figures
 * name none.
 */

/** A namespace of the lab. The names are the figures' reference signs; a 1 in front: the same part of another site. */
export type NodeName =
  | "client-10"
  | "client-10b"
  | "router-40"
  | "client-110"
  | "router-140"
  | "network-30"
  | "wire-35"
  | "router-50"
  | "server-20";

/** One end of a cable: an interface of a node, with an IPv4 address, or as a port of the bridge that `port` names. */
export interface CableEnd {
  readonly node: NodeName;
  readonly device: string;
  readonly address?: string;
  readonly port?: string;
}

/** A router between a private network and network-30. */
export interface Router {
  readonly name: NodeName;
  /** Public addresses: the first at the start, the next after `ip-change`, and so on in a circle. */
  readonly publicAddresses: readonly string[];
  /** What it forwards from the public address to the private network; a client's router forwards nothing. */
  readonly forwards?: { readonly port: number; readonly to: string };
}

/** The interfaces of every router. */
export const LAN = "lan";
export const WAN = "wan";

/** The port of the server, on both sides of router 50: the only one that anybody may use. */
export const SERVER_PORT = 9000;
/** Where router 50 hands the server's traffic to a proxy of its own, while one is in the path. */
export const PROXY_PORT = 8080;
export const SERVER_LOCAL_ADDRESS = "192.168.1.1";
export const SERVER_PUBLIC_ADDRESS = "211.11.110.15";

/** Address of the service as the clients know it, and as the server knows itself. */
export const PUBLIC_URL = `http://${SERVER_PUBLIC_ADDRESS}:${SERVER_PORT}/WAO`;
export const LOCAL_URL = `http://${SERVER_LOCAL_ADDRESS}:${SERVER_PORT}/WAO`;

export const clientNodes: readonly NodeName[] = ["client-10", "client-110", "client-10b"];

export const clientRouters: readonly Router[] = [
  { name: "router-40", publicAddresses: ["211.11.110.40", "211.11.110.41", "211.11.110.42"] },
  { name: "router-140", publicAddresses: ["211.11.110.140", "211.11.110.141", "211.11.110.142"] },
];

export const serverRouter: Router = {
  name: "router-50",
  publicAddresses: [SERVER_PUBLIC_ADDRESS],
  forwards: { port: SERVER_PORT, to: `${SERVER_LOCAL_ADDRESS}:${SERVER_PORT}` },
};

export const routers: readonly Router[] = [...clientRouters, serverRouter];

/** Switches. wire-35 is a cable that can be made bad: a bridge as long as it is good, a program while it is not. */
export const bridges: readonly { readonly node: NodeName; readonly device: string }[] = [
  { node: "router-40", device: LAN },
  { node: "network-30", device: "net" },
  { node: "wire-35", device: "wire" },
];

export const cables: readonly (readonly [CableEnd, CableEnd])[] = [
  [end("client-10", "eth0", "192.168.40.10/24"), port("router-40", "lan0", LAN)],
  [end("client-10b", "eth0", "192.168.40.11/24"), port("router-40", "lan1", LAN)],
  [end("client-110", "eth0", "192.168.140.10/24"), end("router-140", LAN, "192.168.140.1/24")],
  [end("router-40", WAN, "211.11.110.40/24"), port("network-30", "port40", "net")],
  [end("router-140", WAN, "211.11.110.140/24"), port("network-30", "port140", "net")],
  [port("network-30", "port50", "net"), port("wire-35", "left", "wire")],
  [port("wire-35", "right", "wire"), end("router-50", WAN, "211.11.110.15/24")],
  [end("router-50", LAN, "192.168.1.254/24"), end("server-20", "eth0", "192.168.1.1/24")],
];

/** Addresses of bridges that route. */
export const bridgeAddresses: readonly CableEnd[] = [end("router-40", LAN, "192.168.40.1/24")];

/** Default routes, by node. */
export const gateways: Readonly<Partial<Record<NodeName, string>>> = {
  "client-10": "192.168.40.1",
  "client-10b": "192.168.40.1",
  "client-110": "192.168.140.1",
  "server-20": "192.168.1.254",
};

/** Every node, in the order of the figure. */
export const nodes: readonly NodeName[] = [
  "client-10",
  "client-10b",
  "router-40",
  "client-110",
  "router-140",
  "network-30",
  "wire-35",
  "router-50",
  "server-20",
];

function end(node: NodeName, device: string, address: string): CableEnd {
  return { node, device, address };
}

function port(node: NodeName, device: string, bridge: string): CableEnd {
  return { node, device, port: bridge };
}
