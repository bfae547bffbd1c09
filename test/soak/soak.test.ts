import { expect, test } from "vitest";
import { Random } from "../sim/random.js";
import { type SoakResult, soak } from "./soak.js";
import { complaintsOf } from "./verdict.js";

const SESSIONS = 60;
const SECONDS = 45;

const steady = {
  rate: 10,
  share: 0.1,
  plainEach: 10,
  sampleMs: 3_000,
  random: new Random(1, "faults"),
  onSample: () => {},
};

test("soak: nothing lost, doubled or late, memory flat, descriptors back (G9)", { timeout: 180_000 }, async () => {
  const result = await soak({ ...steady, sessions: SESSIONS, seconds: SECONDS });
  expect(complaintsOf(result, SESSIONS)).toEqual([]);
  // What it has to stand: a fault for each session each ten seconds or so, of every kind, and a load worth the name.
  for (const count of Object.values(result.faults)) expect(count).toBeGreaterThan(SESSIONS / 5);
  for (const { count } of [result.final.clients, result.final.server])
    expect(count.answered).toBeGreaterThan(SESSIONS * SECONDS);
});

test("soak: a verdict names what went wrong", async () => {
  const good = await soak({ ...steady, sessions: 2, seconds: 1, sampleMs: 250, share: 0 });
  expect(complaintsOf(good, 2)).toEqual([]);
  const { clients, server } = good.final;
  const bad: SoakResult = {
    ...good,
    samples: good.samples.map((sample, index) => ({
      ...sample,
      server: { ...sample.server, heapBytes: index * 10_000_000 },
    })),
    final: {
      ...good.final,
      clients: { ...clients, count: { ...clients.count, sent: clients.count.sent + 1, failed: 1, trouble: "late" } },
      server: { ...server, sessions: 1, count: { ...server.count, doubled: 1, missing: 2 }, troubles: ["thrown"] },
    },
    after: { ...good.after, descriptors: good.before.descriptors + 100 },
  };
  const said = complaintsOf(bad, 2).join("\n");
  for (const word of [
    "received of",
    "answered of",
    "doubled: 1",
    "missing: 2",
    "late",
    "sessions at the end",
    "thrown",
  ])
    expect(said).toContain(word);
  for (const word of ["heap of the server", "100 descriptors"]) expect(said).toContain(word);
});
