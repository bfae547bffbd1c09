import { during, G2, type Scenario, strike } from "../scenario.js";

/** Machines that sleep or die. */
export const machines: readonly Scenario[] = [
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
