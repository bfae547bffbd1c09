/**
 * One end of a judged conversation, in a process of its own: `actor.ts server|client PEER URL CALLS PER_SECOND [NAME]`.
 * It prints lines (tally.ts) and ends when its standard input does, so that none is left behind. A client begins when
 * something arrives there: its modules are loaded by then, and all clients begin together.
 */
import { machineNow, write } from "./ledger.js";
import { peers } from "./peer.js";

const [role, peerName = "", url = "", calls, perSecond, name = ""] = process.argv.slice(2);
const load = { calls: Number(calls), perSecond: Number(perSecond) };

process.stdin.resume().on("end", () => process.exit(0));

const peer = await peers[peerName]?.();
if (!peer) throw new Error(`no peer is named ${peerName}; there are ${Object.keys(peers).join(", ")}`);
if (role === "server") {
  await peer.serve(url, load);
  write({ kind: "ready", at: machineNow() });
} else {
  process.stdin.once("data", () => peer.connect(url, name, load));
  write({ kind: "ready", at: machineNow() });
}
