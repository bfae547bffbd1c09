/** The shell script that builds the figures inside the lab's own namespaces. Pure: topology in, text out. */
import { routerRules } from "./ruleset.js";
import {
  bridgeAddresses,
  bridges,
  type CableEnd,
  cables,
  clientRouters,
  gateways,
  LAN,
  nodes,
  routers,
  serverRouter,
  WAN,
} from "./topology.js";

/** Builds everything in one go; ends at the first command that fails. */
export function upScript(epoch: number): string {
  return [
    "set -e",
    ...nodes.map((node) => `ip netns add ${node}`),
    ...bridges.map(({ node, device }) => `ip -n ${node} link add ${device} type bridge stp_state 0 forward_delay 0`),
    ...cables.flatMap(([a, b]) => [
      `ip link add ${a.device} netns ${a.node} type veth peer name ${b.device} netns ${b.node}`,
      ...bring(a),
      ...bring(b),
    ]),
    ...bridgeAddresses.map((at) => `ip -n ${at.node} addr add ${at.address} dev ${at.device}`),
    ...bridges.map(({ node, device }) => `ip -n ${node} link set ${device} up`),
    ...nodes.map((node) => `ip -n ${node} link set lo up`),
    ...Object.entries(gateways).map(([node, gateway]) => `ip -n ${node} route add default via ${gateway}`),
    ...routers.flatMap((router) => [
      `ip netns exec ${router.name} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'`,
      `ip netns exec ${router.name} nft -f - <<'RULES'${routerRules(router, epoch)}RULES`,
      // Router 50 forwards what it does not know to the server, whose kernel answers RST: so a client learns that its
      // own router gave it another port. The clients' routers are silent until a fault says otherwise.
      `ip netns exec ${router.name} sh -c 'echo ${router.forwards ? 1 : 0} > /proc/sys/net/netfilter/nf_conntrack_tcp_loose'`,
    ]),
    // The bad cable passes on what it reads from its two ends, and needs whole packets with whole checksums there.
    `ip netns exec network-30 python3 "$LAB_DIRECTORY/plain_device.py" port50`,
    `ip netns exec ${serverRouter.name} python3 "$LAB_DIRECTORY/plain_device.py" ${WAN} ${LAN}`,
    ...clientRouters.map(({ name }) => `ip netns exec ${name} python3 "$LAB_DIRECTORY/plain_device.py" ${WAN}`),
  ].join("\n");
}

function bring(end: CableEnd): string[] {
  const at = `ip -n ${end.node}`;
  return [
    ...(end.address ? [`${at} addr add ${end.address} dev ${end.device}`] : []),
    ...(end.port ? [`${at} link set ${end.device} master ${end.port}`] : []),
    `${at} link set ${end.device} up`,
  ];
}
