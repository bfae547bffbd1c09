/** What one seed is to be: how large, with which limits, and which faults. All is drawn before anything happens. */
import { type AnnouncedLimits, leastLimits } from "../../src/frame/limits.js";
import { type FaultKind, faultKinds } from "./faults.js";
import type { Random } from "./random.js";

/** How a history ends after everything has been delivered. */
export const endings = [
  "client_closes",
  "server_closes",
  "both_close",
  "client_vanishes",
  "server_dies",
  "rival_takes_over",
] as const;

/** One of {@link endings}. */
export type Ending = (typeof endings)[number];

/** Some messages of one direction that are sent in one turn. */
export interface Burst {
  readonly at: number;
  readonly from: "client" | "server";
  readonly count: number;
  /** How long each of them is; drawn if left out. */
  readonly length?: number;
}

/** One seed's plan. */
export interface Plan {
  readonly clients: number;
  readonly limits: AnnouncedLimits;
  readonly queueBytesMax: number;
  readonly leaseMs: number;
  /** How long faults go on. */
  readonly faultyMs: number;
  /** When they happen, besides those that meet links as they are made. */
  readonly faultTimes: readonly number[];
  readonly faultKinds: readonly FaultKind[];
  /** Clients have links of requests, as they do unless they are told otherwise. */
  readonly hasExchange: boolean;
  /** Sessions have companions wherever they say anything, and not on long ways only. */
  readonly isAccompanied: boolean;
  /** How often a link that is made meets a fault. */
  readonly openingRate: number;
  /** Long messages and floods are sent, so that windows and queues fill. */
  readonly isHeavy: boolean;
  readonly ending: Ending;
  /** Faults go on while the session closes. */
  readonly endsInFaults: boolean;
}

/** At least so many messages each way, and so many faults (D37). */
export const MESSAGES_MIN = 100;
export const FAULTS_MIN = 5;

const RIVAL_LEASE_MS_MIN = 30_000;

/** Draws a plan. */
export function drawPlan(random: Random): Plan {
  const faultyMs = random.chance(0.8) ? random.spread(1_500, 15_000) : random.spread(15_000, 90_000);
  const faults = FAULTS_MIN + random.below(random.chance(0.8) ? 6 : 30);
  const leaseMs = random.chance(0.7) ? 60_000 : Math.floor(random.spread(4_000, 60_000));
  const rate = random.spread(0.08, 0.9);
  const drawn = faultKinds.filter(() => random.chance(rate));
  // A machine both of whose clocks are wrong cannot say how long ago it first tried: D1 has no answer to that.
  const isLost =
    drawn.includes("client_sleeps_clock_stands") && drawn.some((kind) => kind.startsWith("server_restarts"));
  const enabled = drawn.filter((kind) => !isLost || kind !== "client_wall_jumps");
  return {
    clients: random.chance(0.85) ? 1 : 2 + random.below(2),
    limits: {
      windowBytes: leastLimits.windowBytes + (random.chance(0.8) ? 0 : random.below(500_000)),
      callsInFlightMax: 100,
      messageBytesMax: 150_000,
      assemblyBytesMax: 150_000 + random.below(300_000),
      referencesMax: 100,
    },
    queueBytesMax: Math.floor(random.spread(200_000, 2_000_000)),
    leaseMs,
    faultyMs,
    faultTimes: Array.from({ length: faults }, () => random.between(0, faultyMs)).sort((a, b) => a - b),
    faultKinds: enabled.length > 0 ? enabled : [random.pick(faultKinds)],
    openingRate: random.chance(0.5) ? random.between(0, 0.7) : 0.1,
    hasExchange: random.chance(0.7),
    isHeavy: random.chance(0.08),
    // A rival on a slow path needs more time than the shortest lease gives it.
    ending: random.pick(endings.filter((ending) => ending !== "rival_takes_over" || leaseMs >= RIVAL_LEASE_MS_MIN)),
    endsInFaults: random.chance(0.4),
    isAccompanied: random.chance(0.5),
  };
}

/** What one client and its server send each other. */
export function drawTraffic(random: Random, plan: Plan): Burst[] {
  const bursts: Burst[] = [];
  for (const from of ["client", "server"] as const) {
    const size = random.pick([3, 8, 20]);
    for (let sent = 0; sent < MESSAGES_MIN + 20; ) {
      const count = 1 + random.below(size);
      // The first calls are there before the access is.
      const at = from === "client" && sent === 0 ? 0 : random.between(0, plan.faultyMs);
      bursts.push({ at, from, count });
      sent += count;
    }
  }
  return bursts.sort((a, b) => a.at - b.at);
}
