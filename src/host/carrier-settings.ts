/** What `workerThread` and `childProcess` can be told of how many carriers they have, and of what those may do. */
import { availableParallelism } from "node:os";
import { DuowireError } from "../base/errors.js";
import type { CarrierKind } from "./carrier.js";
import { type CarrierLimits, checkLimits } from "./carrier-limits.js";
import type { HeartbeatLimits } from "./heartbeat.js";
import type { PoolLimits } from "./pool-plan.js";

/** Numbers and limits of the threads or processes of one service. */
export interface SupervisionOptions extends Partial<PoolLimits>, Partial<HeartbeatLimits> {
  /** What each of them may use. None. */
  readonly limits?: CarrierLimits;
}

/** The same, complete and checked. */
export interface SupervisionSettings {
  readonly pool: PoolLimits;
  readonly heartbeat: HeartbeatLimits;
  readonly limits: CarrierLimits;
}

/** Starts at the same time where nobody says how many: one for each core, within these bounds. */
const STARTS_MAX = [2, 8] as const;

/** Each number, its default, and the least that makes sense. */
const numbers = {
  pool: [0, 0],
  warmMin: [1, 0],
  warmMax: [8, 0],
  carriersMax: [256, 1],
  startsMax: [Math.min(Math.max(availableParallelism(), STARTS_MAX[0]), STARTS_MAX[1]), 1],
  waitingMax: [64, 0],
  waitMs: [13_000, 1],
  startMs: [10_000, 100],
  stuckMs: [10_000, 0],
} as const;

/** Reads options; throws `invalid_argument` that says which one and what it should be. */
export function readSupervision(options: SupervisionOptions, kind: CarrierKind): SupervisionSettings {
  const read = (name: keyof typeof numbers): number => {
    const [byDefault, least] = numbers[name];
    const value = options[name] ?? byDefault;
    if (Number.isInteger(value) && value >= least) return value;
    throw invalid(`${name} is ${value}; expected a whole number of at least ${least}`);
  };
  const { limits = {} } = options;
  checkLimits(limits, kind);
  const warmMin = read("warmMin");
  const warmMax = options.warmMax === undefined ? Math.max(read("warmMax"), warmMin) : read("warmMax");
  if (warmMin > warmMax) throw invalid(`warmMin is ${warmMin}, more than warmMax, which is ${warmMax}`);
  return {
    pool: {
      pool: read("pool"),
      warmMin,
      warmMax,
      carriersMax: read("carriersMax"),
      startsMax: read("startsMax"),
      waitingMax: read("waitingMax"),
      waitMs: read("waitMs"),
    },
    heartbeat: { startMs: read("startMs"), stuckMs: read("stuckMs") },
    limits,
  };
}

function invalid(message: string): DuowireError {
  return new DuowireError("invalid_argument", message, { side: "local" });
}
