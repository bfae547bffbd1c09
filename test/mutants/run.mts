import { mkdtempSync } from "node:fs"; import { tmpdir } from "node:os"; import { join } from "node:path";
import { bundleThread } from "../sim/bundle.js"; import { simulateAll } from "../sim/pool.js"; import { mutants } from "./mutants.js";
const folder = mkdtempSync(join(tmpdir(), "duowire-mutants-"));
for (const [i, m] of mutants.entries()) {
  const file = join(folder, `${i}.mjs`); const t = performance.now();
  try { await bundleThread(file, m);
  const r = await simulateAll({ file, from: 1, count: Number(process.argv[2] ?? 1000), threads: 2, untilFailure: true });
  const f = r.failed[0]; console.log(`${f ? "found" : "MISSED"} ${m.name}: ${f?.seed} ${f?.rule} ${f?.message.slice(0, 90)} (${((performance.now()-t)/1e3).toFixed(1)} s)`);
  } catch (e) { console.log("ERROR", m.name, String(e).slice(0, 300)); }
}
