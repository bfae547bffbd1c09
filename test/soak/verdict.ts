/** What a soak must show (promise G9), and what is wrong with one that does not. */
import type { SoakResult, SoakSample } from "./soak.js";

const MIB = 1_048_576;
/** By how much the mean of the last samples may be above that of the earlier ones: noise of a heap under load. */
const GROWTH_BYTES_MAX = 6 * MIB;
/** Samples before this share of the run are warming up: minute 2 of 10. */
const WARM_SHARE = 0.2;
/** Descriptors that have nothing to do with sessions: the runtime opens some when it first needs them. */
const DESCRIPTORS_SPARE = 4;

/** Each line is a promise that was not kept; none for a good run. */
export function complaintsOf({ samples, final, before, after }: SoakResult, sessions: number): string[] {
  const { clients, server } = final;
  const lines: string[] = [];
  const mustBe = (name: string, value: number, wanted: number) => {
    if (value !== wanted) lines.push(`${name}: ${value}, not ${wanted}`);
  };
  for (const [name, near, far] of [
    ["client to server", clients.count, server.count],
    ["server to client", server.count, clients.count],
  ] as const) {
    mustBe(`${name}, received of ${near.sent}`, far.received, near.sent);
    mustBe(`${name}, answered of ${near.sent}`, near.answered, near.sent);
    for (const kind of ["doubled", "disordered", "missing"] as const) mustBe(`${name}, ${kind}`, far[kind], 0);
    if (near.failed > 0) lines.push(`${name}, failed: ${near.failed}, the first: ${near.trouble}`);
  }
  mustBe("sessions at the end", server.sessions, sessions);
  for (const { ended, troubles } of [clients, server]) {
    if (Object.keys(ended).length > 0) lines.push(`sessions ended: ${JSON.stringify(ended)}`);
    lines.push(...troubles);
  }
  for (const side of ["clients", "server"] as const) {
    const grown = growthOf(samples, side);
    if (grown > GROWTH_BYTES_MAX) lines.push(`the heap of the ${side} grew by ${(grown / MIB).toFixed(1)} MiB`);
  }
  const left = after.descriptors - before.descriptors;
  if (left > DESCRIPTORS_SPARE) lines.push(`${left} descriptors were not given back`);
  return lines;
}

/** The mean heap of the run's last third, less that of the third before it; warming up is left out. */
export function growthOf(samples: readonly SoakSample[], side: "clients" | "server"): number {
  const heaps = samples.slice(Math.floor(samples.length * WARM_SHARE)).map((sample) => sample[side].heapBytes);
  const half = Math.floor(heaps.length / 2);
  return meanOf(heaps.slice(half)) - meanOf(heaps.slice(0, half));
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
