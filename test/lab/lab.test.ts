import { expect, test } from "vitest";
import { faults } from "../../lab/nat/faults.js";
import { readMappings, readPorts } from "../../lab/nat/figures.js";
import { scenarios } from "../../lab/nat/judge/scenarios.js";
import { readParameters } from "../../lab/nat/parameters.js";
import { PROXIES } from "../../lab/nat/proxies.js";
import { currentEpoch, earlyRules, outwardRule, routerRules, throughRules } from "../../lab/nat/ruleset.js";
import { cables, clientRouters, gateways, nodes, serverRouter } from "../../lab/nat/topology.js";
import { upScript } from "../../lab/nat/up-script.js";

// What of the laboratory can be tested without one: data that must fit together, and text that programs are given.

test("topology names only nodes that exist, and each device once", () => {
  const ends = cables.flat();
  for (const { node } of ends) expect(nodes).toContain(node);
  for (const node of Object.keys(gateways)) expect(nodes).toContain(node);
  const devices = ends.map(({ node, device }) => `${node} ${device}`);
  expect(new Set(devices).size).toBe(devices.length);
});

test("topology has the addresses of the source's figures", () => {
  expect(serverRouter.publicAddresses).toEqual(["211.11.110.15"]);
  expect(serverRouter.forwards).toEqual({ port: 9000, to: "192.168.1.1:9000" });
  for (const { publicAddresses } of clientRouters) {
    for (const address of publicAddresses) expect(address).toMatch(/^211\.11\.110\./);
  }
});

test("upScript makes every node before it lays a cable to it", () => {
  const lines = upScript(1).split("\n");
  const lastNode = Math.max(...nodes.map((node) => lines.indexOf(`ip netns add ${node}`)));
  expect(lastNode).toBeGreaterThan(0);
  expect(lines.findIndex((line) => line.includes("type veth"))).toBeGreaterThan(lastNode);
});

test("routerRules maps the public port at router 50 and hides the sites behind the others", () => {
  const server = routerRules(serverRouter, 7);
  expect(server).toContain('iifname "wan" tcp dport 9000 dnat to 192.168.1.1:9000');
  expect(server).not.toContain("masquerade");
  for (const router of clientRouters) {
    expect(routerRules(router, 7)).toContain("masquerade fully-random");
    expect(routerRules(router, 7)).not.toContain("dnat to");
  }
});

test("outwardRule limits the ports where a range is given", () => {
  expect(outwardRule({ from: 20_000, to: 29_999 })).toContain("masquerade to :20000-29999 fully-random");
});

test("throughRules marks new connections before it judges old ones", () => {
  const rules = throughRules(serverRouter, { epoch: 5, fromLan: "reset", fromWan: "drop" }).trim().split(/\n */);
  expect(rules.slice(0, 3)).toEqual([
    "ct mark < 5 ct state new ct mark set 5",
    'iifname "lan" ct mark < 5 meta l4proto tcp reject with tcp reset',
    'iifname "wan" ct mark < 5 meta l4proto tcp drop',
  ]);
});

test("earlyRules cuts the ways that it is told to", () => {
  expect(earlyRules({ up: false, down: false })).toBe("");
  expect(earlyRules({ up: true, down: false })).toContain('"lan"');
  expect(earlyRules({ up: false, down: true })).not.toContain('"lan"');
});

test("currentEpoch grows every tenth of a second and fits a connection mark", () => {
  const now = Date.UTC(2026, 10, 22);
  expect(currentEpoch(now + 100)).toBe(currentEpoch(now) + 1);
  expect(currentEpoch(now)).toBeLessThan(2 ** 32);
});

test("readParameters reads numbers as numbers and words as words", () => {
  expect(readParameters(["way=up", "ms=300", "loss=0.05", "known"])).toEqual({
    way: "up",
    ms: 300,
    loss: 0.05,
    known: 1,
  });
});

test("readPorts finds each local port once", () => {
  const sockets = `LISTEN 0 511 192.168.1.1:9000 0.0.0.0:*
ESTAB 0 0 192.168.1.1:9000 211.11.110.40:54321
ESTAB 0 0 192.168.1.1:41000 10.0.0.1:80`;
  expect(readPorts(sockets)).toEqual([9000, 41000]);
});

test("readMappings reads what a router has made of the server's address", () => {
  const line =
    "ipv4     2 tcp      6 431999 ESTABLISHED src=211.11.110.40 dst=211.11.110.15 sport=46501 dport=9000 " +
    "src=192.168.1.1 dst=211.11.110.40 sport=9000 dport=46501 [ASSURED] mark=1 zone=0 use=2";
  expect(readMappings(`${line}\n${line}\n`)).toEqual(["211.11.110.15:9000 is 192.168.1.1:9000"]);
});

test("scenarios are at least 28, with names of their own", () => {
  const names = scenarios.map(({ name }) => name);
  expect(names.length).toBeGreaterThanOrEqual(28);
  expect(new Set(names).size).toBe(names.length);
});

test("scenarios strike in order, with faults and proxies that exist", () => {
  for (const { name, before = [], steps } of scenarios) {
    for (const { fault, parameters } of [...before, ...steps]) {
      expect([...Object.keys(faults), "restart-server"], name).toContain(fault);
      if (fault === "proxy") expect(Object.keys(PROXIES), name).toContain(parameters?.kind);
    }
    const times = steps.map(({ atMs }) => atMs);
    expect(times, name).toEqual([...times].sort((a, b) => a - b));
  }
});
