/** The public entry `duowire/testing`: what a program needs to prove that it survives its network. */
export type { Clock } from "../base/clock.js";
export { TestNetwork } from "./network.js";
export { type PairOptions, type TestPair, testPair } from "./pair.js";
export { VirtualClock } from "./virtual-clock.js";
