/** Everything that can happen to the figures, as commands: `lab fault NAME [KEY=VALUE …]`, or a step of a scenario. */
import { LINE_FAULTS, spoilWire } from "./bad-wire.js";
import type { Lab } from "./lab.js";
import type { FaultParameters } from "./parameters.js";
import { PROXIES, startProxy } from "./proxies.js";
import {
  currentEpoch,
  earlyRules,
  inwardRule,
  mineRules,
  outwardRule,
  replaceChain,
  throughRules,
  type Verdict,
} from "./ruleset.js";
import { clientRouters, type NodeName, nodes, type Router, routers, serverRouter, WAN } from "./topology.js";

/** One kind of fault. It is done when `apply` returns; those that last are ended by another one, such as `heal`. */
export interface Fault {
  readonly help: string;
  readonly apply: (lab: Lab, parameters: FaultParameters) => Promise<void>;
}

/** Every fault by name. */
export const faults: Readonly<Record<string, Fault>> = {
  "nat-forget": {
    help: "the clients' routers forget every mapping. known=0 (default): nobody learns; known=1: both ends get a RST",
    apply: (lab, parameters) => each(parameters, (router) => forget(lab, router, parameters.known === 1)),
  },
  "nat-renumber": {
    help: "the clients' routers give every connection another port; only the client learns, by the server's RST",
    apply: (lab, parameters) => each(parameters, (router) => renumber(lab, router)),
  },
  "ip-change": {
    help: "the routers get another public address. known=0: silent; known=1 (default): the client gets a RST",
    apply: (lab, parameters) => each(parameters, (router) => changeAddress(lab, router, parameters.known !== 0)),
  },
  "client-move": {
    help: "node=client-10 gets another address in its own network, as from cable to radio",
    apply: (lab, parameters) => moveClient(lab, nodeOf(parameters, "client-10")),
  },
  cut: {
    help: "silence: packets vanish. way=both (default), up (from the clients), down (from the server)",
    apply: (lab, parameters) => each(parameters, (router) => cut(lab, router, String(parameters.way ?? "both"))),
  },
  heal: {
    help: "ends a cut",
    apply: (lab, parameters) => each(parameters, (router) => cut(lab, router, "none")),
  },
  reset: {
    help: "both ends of every connection get a RST",
    apply: (lab, parameters) => each(parameters, (router) => reset(lab, router, "reset", "reset")),
  },
  "reset-one-side": {
    help: "side=client (default) or server gets a RST, the other end is left in the dark",
    apply: (lab, parameters) =>
      each(parameters, (router) =>
        parameters.side === "server" ? reset(lab, router, "drop", "reset") : reset(lab, router, "reset", "drop"),
      ),
  },
  "half-open": {
    help: "every present connection goes silent both ways, new ones work: both ends believe in a dead connection",
    apply: (lab, parameters) => each(parameters, (router) => reset(lab, router, "drop", "drop")),
  },
  line: {
    help: `the cable to the server goes bad: ${LINE_FAULTS.join(" ")} (one way; ms, kbit/s, chances from 0 to 1)`,
    apply: (lab, parameters) => spoilWire(lab, parameters),
  },
  proxy: {
    help: `a middlebox on router 50: kind=${Object.keys(PROXIES).join(", ")} or none`,
    apply: (lab, parameters) => changeProxy(lab, String(parameters.kind ?? "none")),
  },
  freeze: {
    help: "node=server-20 (default) stops, as a machine that sleeps",
    apply: (lab, parameters) => lab.signal(nodeOf(parameters, "server-20"), "STOP"),
  },
  thaw: {
    help: "ends a freeze",
    apply: (lab, parameters) => lab.signal(nodeOf(parameters, "server-20"), "CONT"),
  },
  kill: {
    help: "node=server-20 (default): its processes die at once",
    apply: (lab, parameters) => lab.signal(nodeOf(parameters, "server-20"), "KILL"),
  },
};

/** Applies one fault; throws if there is none of that name. */
export async function applyFault(lab: Lab, name: string, parameters: FaultParameters = {}): Promise<void> {
  const fault = faults[name];
  if (!fault) throw new Error(`no fault is named ${name}; there are ${Object.keys(faults).join(", ")}`);
  await fault.apply(lab, parameters);
}

/** Faults of NAT happen at the clients' routers, both of them, unless one router is named. */
async function each({ router: name }: FaultParameters, apply: (router: Router) => Promise<void>): Promise<void> {
  if (name === undefined) {
    await Promise.all(clientRouters.map(apply));
    return;
  }
  const router = routers.find((one) => one.name === name);
  if (!router) throw new Error(`no router is named ${name}; there are ${routers.map((one) => one.name).join(", ")}`);
  await apply(router);
}

function nodeOf({ node }: FaultParameters, usual: NodeName): NodeName {
  const found = nodes.find((one) => one === (node ?? usual));
  if (!found) throw new Error(`no node is named ${node}; there are ${nodes.join(", ")}`);
  return found;
}

/** One shell script, so that what belongs together happens within some milliseconds. */
async function onRouter(lab: Lab, router: Router, ...commands: readonly string[]): Promise<void> {
  await lab.run(router.name, ["sh", "-e"], `${commands.join("\n")}\n`);
}

/** Whether a packet out of the middle of a connection may begin a mapping; a new port then betrays it to the server. */
function setLoose(loose: boolean): string {
  return `echo ${loose ? 1 : 0} > /proc/sys/net/netfilter/nf_conntrack_tcp_loose`;
}

function setRules(rules: string): string {
  return `nft -f - <<'RULES'\n${rules}RULES`;
}

const flush = `python3 "$LAB_DIRECTORY/conntrack_flush.py"`;

async function forget(lab: Lab, router: Router, known: boolean): Promise<void> {
  const strangers = replaceChain("inet lab", "mine", mineRules(known ? "reset" : "drop"));
  await onRouter(lab, router, setLoose(known), setRules(strangers), flush);
}

/** Alternates between two ranges of ports, so that no connection keeps its own by chance. */
async function renumber(lab: Lab, router: Router): Promise<void> {
  const low = { from: 20_000, to: 29_999 };
  const high = { from: 30_000, to: 39_999 };
  const now = await lab.run(router.name, ["nft", "list", "chain", "ip", "nat", "outward"]);
  const ports = now.includes(`:${low.from}-`) ? high : low;
  const outward = replaceChain("ip nat", "outward", outwardRule(ports));
  await onRouter(lab, router, setLoose(true), setRules(outward), flush);
}

async function changeAddress(lab: Lab, router: Router, known: boolean): Promise<void> {
  const listed = await lab.run(router.name, ["ip", "-o", "-4", "addr", "show", "dev", WAN]);
  const now = router.publicAddresses.findIndex((address) => listed.includes(` ${address}/`));
  const next = router.publicAddresses[(now + 1) % router.publicAddresses.length];
  // The kernel forgets an address's mappings with the address: nothing else has to, and a second time would be a
  // second fault.
  const remove = `ip addr del ${router.publicAddresses[now]}/24 dev ${WAN}`;
  await onRouter(lab, router, setLoose(known), remove, `ip addr add ${next}/24 dev ${WAN}`);
}

async function moveClient(lab: Lab, node: NodeName): Promise<void> {
  const listed = await lab.run(node, ["ip", "-o", "-4", "addr", "show", "dev", "eth0"]);
  const [, network, last, gateway] = /inet ((?:\d+\.){3})(\d+)\/24/.exec(listed)?.concat("1") ?? [];
  const moved = `${network}${Number(last) + 10 > 99 ? 10 : Number(last) + 10}`;
  const change = [
    `ip addr flush dev eth0`,
    `ip addr add ${moved}/24 dev eth0`,
    `ip route replace default via ${network}${gateway}`,
  ];
  await lab.run(node, ["sh", "-ec", change.join("; ")]);
}

async function cut(lab: Lab, router: Router, way: string): Promise<void> {
  const cuts = { up: way === "both" || way === "up", down: way === "both" || way === "down" };
  await lab.rules(router.name, replaceChain("inet lab", "early", earlyRules(cuts)));
}

async function reset(lab: Lab, router: Router, fromLan: Verdict, fromWan: Verdict): Promise<void> {
  const epoch = currentEpoch(Date.now());
  await lab.rules(router.name, replaceChain("inet lab", "through", throughRules(router, { epoch, fromLan, fromWan })));
}

async function changeProxy(lab: Lab, kind: string): Promise<void> {
  if (kind !== "none") await startProxy(lab, kind);
  const rule = inwardRule(serverRouter, kind === "none" ? "server" : "proxy");
  await lab.rules(serverRouter.name, replaceChain("ip nat", "inward", rule));
}
