import { line, type Scenario, twice } from "../scenario.js";

/** Bad lines; delays are those of one way. */
export const lines: readonly Scenario[] = [
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
