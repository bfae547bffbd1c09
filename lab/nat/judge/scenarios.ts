/** The faults under which numbered calls are judged, as data. */
import type { FaultParameters } from "../parameters.js";

/** Something that happens at a time. */
export interface Step {
  /** Milliseconds after the clients began. */
  readonly atMs: number;
  readonly fault: string;
  readonly parameters?: FaultParameters;
  /**
   * What this step is to the calls. `strike`: from here recovery counts. `cure`: it ends the strike before it, and
   * recovery counts from here. `quiet`: neither, such as the second of two faults that belong together.
   */
  readonly as: "strike" | "cure" | "quiet";
}

/** A fault that is there from the beginning. */
export type Standing = Pick<Step, "fault" | "parameters">;

/** What is promised. Times are in ms; recovery and delays are held to them, counts always to zero. */
export interface Promised {
  /** Longest time from a strike (or its cure) until calls are executed again, each way. */
  readonly recoveryMs?: number;
  /** 99 of 100 calls have their result within this; calls made before the client's first result do not count. */
  readonly p99Ms?: number;
  /** The first call of each client has its result within this. */
  readonly firstResultMs?: number;
  /** The process dies: nothing is exact then, but every call settles within this, with a result or one typed error. */
  readonly settlesMs?: number;
}

/** One scenario of the judge. */
export interface Scenario {
  readonly name: string;
  /** What happens, in words for the table. */
  readonly what: string;
  /** The promise of the design that it is held to. */
  readonly promise: string;
  readonly clients?: 1 | 3;
  /** How long calls are made, at 100 a second; 10 s in the quick suite, 20 s otherwise, or as the faults need. */
  readonly seconds?: number;
  /** Faults that are there before anybody begins. */
  readonly before?: readonly Standing[];
  readonly steps: readonly Step[];
  readonly promised: Promised;
  /** One of the few that run on every change. */
  readonly quick?: true;
  /** What the library still lacks for it; such a scenario may fail. */
  readonly needs?: string;
}

const G3 = { recoveryMs: 300 };
const G4 = { recoveryMs: 2_500 };
const G5 = { recoveryMs: 500 };
const G6 = { firstResultMs: 2_000, p99Ms: 500 };
const G2 = { settlesMs: 5_000 };

/** A fault at 3 s and another one at 6.5 s: the second meets a session that has recovered once already. */
function twice(fault: string, parameters?: FaultParameters): Step[] {
  return [3_000, 6_500].map((atMs) => strike(atMs, fault, parameters));
}

function strike(atMs: number, fault: string, parameters: FaultParameters = {}): Step {
  return { atMs, fault, parameters, as: "strike" };
}

/** From `atMs` on, for `ms`. */
function during(atMs: number, ms: number, fault: string, parameters: FaultParameters, end: string): Step[] {
  const kept = parameters.node === undefined ? {} : { node: parameters.node };
  return [strike(atMs, fault, parameters), { atMs: atMs + ms, fault: end, parameters: kept, as: "cure" }];
}

function cut(atMs: number, ms: number, way = "both"): Step[] {
  return during(atMs, ms, "cut", { way }, "heal");
}

function line(parameters: FaultParameters): Standing[] {
  return [{ fault: "line", parameters }];
}

function proxy(kind: string): Standing[] {
  return [{ fault: "proxy", parameters: { kind } }];
}

const tenResets = Array.from({ length: 10 }, (_, index) => strike(1_000 + 1_000 * index, "reset"));

/** Both ends learn, or one of them. */
const learned: readonly Scenario[] = [
  {
    name: "calm",
    what: "no fault",
    promise: "G1",
    steps: [],
    promised: { p99Ms: 100, firstResultMs: 1_000 },
    quick: true,
  },
  { name: "reset", what: "both ends reset, twice", promise: "G3", steps: twice("reset"), promised: G3 },
  {
    name: "reset-ten",
    what: "ten resets, one a second",
    promise: "G3",
    steps: tenResets,
    seconds: 13,
    promised: G3,
    quick: true,
  },
  {
    name: "reset-client",
    what: "only the client is reset",
    promise: "G3",
    steps: twice("reset-one-side", { side: "client" }),
    promised: G3,
    quick: true,
  },
  {
    name: "reset-server",
    what: "only the server is reset",
    promise: "G4",
    steps: twice("reset-one-side", { side: "server" }),
    promised: G4,
  },
  {
    name: "nat-renumber",
    what: "NAT gives other ports, the client learns",
    promise: "G3",
    steps: twice("nat-renumber"),
    promised: G3,
    quick: true,
  },
  {
    name: "nat-forget-known",
    what: "NAT forgets, both ends learn",
    promise: "G3",
    steps: twice("nat-forget", { known: 1 }),
    promised: G3,
  },
  {
    name: "ip-change",
    what: "the client's public address changes, it learns",
    promise: "G3",
    steps: twice("ip-change"),
    promised: G3,
    quick: true,
  },
];

/** Silence. */
const silent: readonly Scenario[] = [
  {
    name: "nat-forget",
    what: "NAT forgets, nobody learns",
    promise: "G4",
    steps: [strike(3_000, "nat-forget")],
    promised: G4,
    quick: true,
  },
  {
    name: "nat-forget-server",
    what: "the server's router forgets, nobody learns",
    promise: "G4",
    steps: [strike(3_000, "nat-forget", { router: "router-50" })],
    promised: G4,
  },
  {
    name: "ip-change-silent",
    what: "the client's public address changes, nobody learns",
    promise: "G4",
    steps: [strike(3_000, "ip-change", { known: 0 })],
    promised: G4,
  },
  {
    name: "half-open",
    what: "the present connections go silent",
    promise: "G4",
    steps: twice("half-open"),
    promised: G4,
  },
  {
    name: "client-move",
    what: "the client's own address changes",
    promise: "G4",
    steps: [strike(3_000, "client-move"), strike(6_500, "client-move")],
    promised: G4,
  },
  {
    name: "cut-1s",
    what: "cut for 1 s, twice",
    promise: "G5",
    steps: [...cut(2_000, 1_000), ...cut(6_000, 1_000)],
    promised: G5,
  },
  {
    name: "cut-5s",
    what: "cut for 5 s",
    promise: "G5",
    steps: cut(2_000, 5_000),
    seconds: 10,
    promised: G5,
    quick: true,
  },
  { name: "cut-30s", what: "cut for 30 s", promise: "G5", steps: cut(3_000, 30_000), seconds: 37, promised: G5 },
  {
    name: "cut-flapping",
    what: "cut for 0.3 s, ten times",
    promise: "G5",
    steps: Array.from({ length: 10 }, (_, index) => cut(1_000 + 900 * index, 300)).flat(),
    seconds: 13,
    promised: G5,
  },
  {
    name: "answers-lost",
    what: "nothing from the server arrives for 3 s",
    promise: "G5",
    steps: cut(3_000, 3_000, "down"),
    promised: G5,
    quick: true,
  },
  {
    name: "requests-lost",
    what: "nothing from the client arrives for 3 s",
    promise: "G5",
    steps: cut(3_000, 3_000, "up"),
    promised: G5,
  },
  {
    name: "first-access-lost",
    what: "no path for the first 1.5 s",
    promise: "G5",
    before: [{ fault: "cut" }],
    steps: [{ atMs: 1_500, fault: "heal", as: "cure" }],
    promised: G5,
  },
  {
    name: "first-answer-lost",
    what: "nothing from the server arrives for the first 1.5 s",
    promise: "G5",
    before: [{ fault: "cut", parameters: { way: "down" } }],
    steps: [{ atMs: 1_500, fault: "heal", as: "cure" }],
    promised: G5,
  },
];

/** Bad lines; delays are those of one way. */
const lines: readonly Scenario[] = [
  {
    name: "line-delay",
    what: "300 ms there and back, 5 % reordered, 5 % twice",
    promise: "G8",
    before: line({ delay: 150, reorder: 0.05, duplicate: 0.05 }),
    steps: [],
    promised: { p99Ms: 450, firstResultMs: 1_000 },
    quick: true,
  },
  {
    name: "line-far",
    what: "600 ms there and back, as over a satellite",
    promise: "G1",
    before: line({ delay: 300 }),
    steps: [],
    // The handshake and one round trip, and a quarter of a second to think.
    promised: { firstResultMs: 1_450, p99Ms: 900 },
  },
  {
    name: "line-jitter",
    what: "100 ms and up to 200 ms more",
    promise: "G1",
    before: line({ delay: 50, jitter: 100 }),
    steps: [],
    promised: {},
  },
  {
    name: "line-loss",
    what: "5 % of packets lost",
    promise: "G1",
    before: line({ loss: 0.05, delay: 20 }),
    steps: [],
    promised: {},
  },
  {
    name: "line-loss-20",
    what: "20 % of packets lost",
    promise: "G1",
    before: line({ loss: 0.2, delay: 20 }),
    steps: [],
    promised: {},
  },
  {
    name: "line-slow",
    what: "512 kbit/s each way",
    promise: "G1",
    before: line({ rate: 512, delay: 20 }),
    steps: [],
    promised: {},
  },
  {
    name: "line-delay-reset",
    what: "300 ms there and back, reset twice",
    promise: "G3",
    before: line({ delay: 150 }),
    steps: twice("reset"),
    promised: { recoveryMs: 300 + 3 * 300 },
  },
];

/** Machines that sleep or die. */
const machines: readonly Scenario[] = [
  {
    name: "freeze-client",
    what: "the client sleeps for 4 s",
    promise: "G4",
    steps: during(3_000, 4_000, "freeze", { node: "client-10" }, "thaw"),
    promised: { recoveryMs: 1_000 },
  },
  {
    name: "freeze-server",
    what: "the server sleeps for 3 s",
    promise: "G1",
    steps: during(3_000, 3_000, "freeze", { node: "server-20" }, "thaw"),
    promised: { recoveryMs: 1_000 },
    quick: true,
  },
  {
    name: "freeze-server-10s",
    what: "the server sleeps for 10 s",
    promise: "G1",
    steps: during(3_000, 10_000, "freeze", { node: "server-20" }, "thaw"),
    seconds: 16,
    promised: { recoveryMs: 1_000 },
  },
  {
    name: "kill-server",
    what: "the server dies",
    promise: "G2",
    steps: [strike(3_000, "kill")],
    seconds: 5,
    promised: G2,
  },
  {
    name: "restart-server",
    what: "the server dies and another one starts",
    promise: "G2",
    steps: [strike(3_000, "kill"), { atMs: 3_300, fault: "restart-server", as: "quiet" }],
    seconds: 5,
    promised: G2,
    quick: true,
  },
];

const STREAMING = "HTTP exchange";

/** Middleboxes, alone and with a fault inside them. */
const proxies: readonly Scenario[] = [
  {
    name: "haproxy",
    what: "HAProxy that lets all through",
    promise: "G6",
    before: proxy("haproxy"),
    steps: [],
    promised: G6,
  },
  {
    name: "refuse-upgrade",
    what: "HAProxy answers 403 to the upgrade",
    promise: "G6",
    before: proxy("refuse-upgrade"),
    steps: [],
    promised: G6,
    needs: STREAMING,
    quick: true,
  },
  {
    name: "strip-upgrade",
    what: "HAProxy makes a plain request of the upgrade",
    promise: "G6",
    before: proxy("strip-upgrade"),
    steps: [],
    promised: G6,
    needs: STREAMING,
  },
  {
    name: "black-hole-upgrade",
    what: "upgrades vanish",
    promise: "G6",
    before: proxy("black-hole-upgrade"),
    steps: [],
    promised: G6,
    needs: STREAMING,
    quick: true,
  },
  {
    name: "black-hole-frames",
    what: "upgrades succeed, WebSocket frames vanish",
    promise: "G6",
    before: proxy("black-hole-frames"),
    steps: [],
    promised: G6,
    needs: STREAMING,
  },
  {
    name: "buffer-answers",
    what: "nginx holds answers back (HTTP/1.0 upstream)",
    promise: "G6",
    before: proxy("buffer-answers"),
    steps: [],
    promised: G6,
    needs: STREAMING,
    quick: true,
  },
  {
    name: "refuse-upgrade-cut",
    what: "403 to the upgrade, and cut for 2 s inside",
    promise: "G6 G5",
    before: proxy("refuse-upgrade"),
    steps: cut(3_000, 2_000),
    promised: { firstResultMs: 2_000, ...G5 },
    needs: STREAMING,
  },
  {
    name: "buffer-answers-forget",
    what: "nginx holds back, and NAT forgets silently",
    promise: "G6 G4",
    before: proxy("buffer-answers"),
    steps: [strike(3_000, "nat-forget")],
    promised: { firstResultMs: 2_000, ...G4 },
    needs: STREAMING,
  },
  {
    name: "refuse-upgrade-reset-ten",
    what: "403 to the upgrade, and ten resets inside",
    promise: "G6 G3",
    before: proxy("refuse-upgrade"),
    steps: tenResets,
    seconds: 13,
    promised: { firstResultMs: 2_000, ...G3 },
    needs: STREAMING,
  },
  {
    name: "black-hole-upgrade-forget",
    what: "upgrades vanish, and NAT forgets silently",
    promise: "G6 G4",
    before: proxy("black-hole-upgrade"),
    steps: [strike(4_000, "nat-forget")],
    promised: { firstResultMs: 2_000, ...G4 },
    needs: STREAMING,
  },
  {
    name: "refuse-upgrade-ends",
    what: "403 to the upgrade, later none: HAProxy is exchanged",
    promise: "G6 G3",
    before: proxy("refuse-upgrade"),
    steps: [strike(4_000, "proxy", { kind: "haproxy" })],
    promised: { firstResultMs: 2_000, recoveryMs: 500 },
    needs: STREAMING,
  },
  {
    name: "proxy-restart",
    what: "HAProxy is restarted",
    promise: "G3",
    before: proxy("haproxy"),
    steps: [strike(3_000, "proxy", { kind: "haproxy" })],
    promised: { recoveryMs: 500 },
  },
];

/** The same with three clients, on two sites. */
const three: readonly Scenario[] = [
  "calm",
  "reset-ten",
  "nat-forget",
  "ip-change",
  "cut-5s",
  "freeze-server",
  "line-loss",
].map((name) => {
  const one = [...learned, ...silent, ...lines, ...machines].find((scenario) => scenario.name === name);
  if (!one) throw new Error(`no scenario is named ${name}`);
  const { quick: _, ...rest } = one;
  return { ...rest, name: `${name}-three`, clients: 3, what: `${one.what}; three clients` };
});

/** Every scenario. */
export const scenarios: readonly Scenario[] = [...learned, ...silent, ...lines, ...machines, ...proxies, ...three];
