/** What the routers do with packets, as nftables text. Pure: the tests read it without a kernel. */
import { LAN, PROXY_PORT, type Router, WAN } from "./topology.js";

/** What becomes of packets of one direction. */
export type Verdict = "pass" | "drop" | "reset";

/** How a router treats the connections that are older than `epoch`. */
export interface OldConnections {
  /** Every connection is marked with the epoch in which it began; see {@link currentEpoch}. */
  readonly epoch: number;
  /** Packets of older connections that come from the private side; a reset answers the one who sent the packet. */
  readonly fromLan: Verdict;
  /** The same for the public side. */
  readonly fromWan: Verdict;
}

/**
 * A number that grows with time and fits a connection mark. Taken from the clock, so that no file has to remember the
 * last one; it wraps after 6.8 years. Two epochs need a tenth of a second between them.
 */
export function currentEpoch(nowMs: number): number {
  return Math.floor(nowMs / 100) % 2 ** 31;
}

/** A router's whole rule set: NAT on the way out, port forwarding on the way in, nothing else from outside. */
export function routerRules(router: Router, epoch: number): string {
  return `
table ip nat {
  chain inward { type nat hook prerouting priority -100; policy accept;
${router.forwards ? inwardRule(router, "server") : ""}
  }
  chain outward { type nat hook postrouting priority 100; policy accept;
${router.forwards ? "" : outwardRule()}
  }
}
table inet lab {
  chain early { type filter hook prerouting priority -350; policy accept;
  }
  chain through { type filter hook forward priority 0; policy accept;
${throughRules(router, { epoch, fromLan: "pass", fromWan: "pass" })}
  }
  chain mine { type filter hook input priority 0; policy accept;
${mineRules("drop")}
  }
}
`;
}

/**
 * Linux keeps a connection's source port where it can, and then a forgotten mapping comes back the same and nothing is
 * lost. Real routers do not, so ours chooses at random, within `ports` if given.
 */
export function outwardRule(ports?: { readonly from: number; readonly to: number }): string {
  const range = ports ? ` to :${ports.from}-${ports.to}` : "";
  return `    oifname "${WAN}" meta l4proto tcp masquerade${range} fully-random`;
}

/** Where the server's public port leads: to the server, or to a proxy on the router itself. */
export function inwardRule(router: Router, to: "server" | "proxy"): string {
  if (!router.forwards) throw new Error(`${router.name} forwards nothing`);
  const target = to === "proxy" ? `redirect to :${PROXY_PORT}` : `dnat to ${router.forwards.to}`;
  return `    iifname "${WAN}" tcp dport ${router.forwards.port} ${target}`;
}

/** What a router forwards. The rules about old connections come first: they decide even about known ones. */
export function throughRules(router: Router, old: OldConnections): string {
  const rules = [
    `ct mark < ${old.epoch} ct state new ct mark set ${old.epoch}`,
    ...oldRule(old.epoch, LAN, old.fromLan),
    ...oldRule(old.epoch, WAN, old.fromWan),
    // Out of nowhere: no mapping, and none can be made. A home router is silent about it.
    "ct state invalid drop",
    // From outside nobody begins anything, but for the port that is forwarded.
    `iifname "${WAN}" ct state new ${router.forwards ? "ct status & dnat == 0 " : ""}drop`,
  ];
  return rules.map((rule) => `    ${rule}`).join("\n");
}

function oldRule(epoch: number, from: string, verdict: Verdict): string[] {
  if (verdict === "pass") return [];
  const action = verdict === "drop" ? "drop" : "reject with tcp reset";
  return [`iifname "${from}" ct mark < ${epoch} meta l4proto tcp ${action}`];
}

/** What a router says to packets for itself: those whose mapping it forgot. Its own proxy is let in. */
export function mineRules(strangers: "drop" | "reset"): string {
  const action = strangers === "drop" ? "drop" : "reject with tcp reset";
  return [
    `    iifname "${WAN}" ct status dnat accept`,
    `    iifname "${WAN}" ct state established accept`,
    `    iifname "${WAN}" meta l4proto tcp ${action}`,
  ].join("\n");
}

/** Cuts: before connection tracking, so that a router remembers nothing of what it swallows. */
export function earlyRules(cut: { readonly up: boolean; readonly down: boolean }): string {
  const rules = [];
  if (cut.up) rules.push(`    iifname "${LAN}" meta l4proto tcp drop`);
  if (cut.down) rules.push(`    iifname "${WAN}" meta l4proto tcp drop`);
  return rules.join("\n");
}

/** Exchanges one chain's rules for others, in one transaction. */
export function replaceChain(table: "ip nat" | "inet lab", chain: string, rules: string): string {
  return `flush chain ${table} ${chain}\ntable ${table} {\n  chain ${chain} {\n${rules}\n  }\n}\n`;
}
