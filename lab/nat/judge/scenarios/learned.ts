import { G3, G4, type Scenario, tenResets, twice } from "../scenario.js";

/** Both ends learn, or one of them. */
export const learned: readonly Scenario[] = [
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
