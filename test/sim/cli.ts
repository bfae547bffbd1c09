import { simulate } from "./simulation.js";
const from = Number(process.argv[2] ?? 1), to = Number(process.argv[3] ?? from);
const t = performance.now();
let ev = 0; const rules = new Map<string, number[]>(); let rec:number[]=[];
const counts = new Map<string,number>();
for (let s = from; s <= to; s++) {
  try { const o = await simulate(s, from === to ? (l) => console.log(l) : undefined); ev += o.events; rec.push(o.recoveryMs);
    for (const [k,v] of o.counts) counts.set(k,(counts.get(k)??0)+v);
  }
  catch (e) { const m = String((e as Error).message).slice(0, 150); const k = (e as Error).name==='SimulationFailure' ? m.split(':')[0]!+":"+m.split(':')[1]?.replace(/\d+/g,'N').slice(0,60) : String((e as Error).stack).slice(0,300); rules.set(k, [...(rules.get(k) ?? []), s]); if (from===to) console.log(e); }
}
for (const [k, v] of rules) console.log(v.length, k, v.slice(0, 6).join(" "));
rec.sort((a,b)=>a-b);
console.log({ n: to - from + 1, ok: rec.length, ms: (performance.now() - t)/(to-from+1), ev: ev/(rec.length||1), p50: rec[rec.length>>1], p99: rec[Math.floor(rec.length*.99)], max: rec.at(-1) });
if (process.argv[4]) console.log([...counts].sort().map(([k,v])=>k+"="+v).join("\n"));
