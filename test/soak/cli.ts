/**
 * `npm run soak -- --sessions 300 --minutes 10`: prints a line each few seconds, then what was not as promised.
 * Others: --rate (calls a second, each way, of each session: 10), --percent (of the connections in use that meet a
 * fault each second: 10), --plain (every so-manieth session over plain HTTP only: 10), --seed (of the faults).
 */
import { parseArgs } from "node:util";
import { Random } from "../sim/random.js";
import { type SoakSample, soak } from "./soak.js";
import { complaintsOf } from "./verdict.js";

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "300" },
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "10" },
    percent: { type: "string", default: "10" },
    plain: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
  },
});

const SAMPLE_MS = 10_000;
const columns = ["seconds", "faults", "calls up", "calls down", "slowest ms", "server MiB", "its fds", "clients MiB"];

function print(cells: readonly (string | number)[]): void {
  console.log(cells.map((cell) => String(cell).padStart(11)).join(" "));
}

function printSample({ atMs, faults, clients, server }: SoakSample): void {
  const mib = (bytes: number) => (bytes / 1_048_576).toFixed(1);
  const slowest = Math.round(Math.max(clients.count.slowestMs, server.count.slowestMs));
  const calls = [clients.count.answered, server.count.answered];
  const held = [mib(server.heapBytes), server.descriptors, mib(clients.heapBytes)];
  print([Math.round(atMs / 1_000), faults, ...calls, slowest, ...held]);
}

const sessions = Number(values.sessions);
print(columns);
const result = await soak({
  sessions,
  seconds: Number(values.minutes) * 60,
  rate: Number(values.rate),
  share: Number(values.percent) / 100,
  plainEach: Number(values.plain),
  sampleMs: SAMPLE_MS,
  random: new Random(Number(values.seed), "faults"),
  onSample: printSample,
});
printSample(result.final);
console.log(`faults: ${JSON.stringify(result.faults)}`);
console.log(`the server's descriptors: ${result.before.descriptors} before, ${result.after.descriptors} after`);
const complaints = complaintsOf(result, sessions);
for (const line of complaints) console.log(line);
console.log(complaints.length === 0 ? "all as promised" : `${complaints.length} promises were not kept`);
process.exitCode = complaints.length === 0 ? 0 : 1;
