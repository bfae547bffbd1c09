// How long a tiny call takes in calls alone: two peers over the session's queues, no session, no link.
// node --conditions=duowire-source --import tsx bench/rpc-micro.mjs
import { systemClock } from "../src/base/clock.js";
import { defaultLimits } from "../src/frame/limits.js";
import { RpcPeer } from "../src/rpc/peer.js";
import { Outgoing } from "../src/session/outgoing.js";

const CALLS = 1_000_000;
const ROUNDS = 4;

function makePair() {
  const sinks = [1, 2].map(() => new Outgoing(8_388_608, defaultLimits));
  const root = { add: (a, b) => a + b, later: async (a, b) => a + b };
  const [left, right] = sinks.map((sink) => {
    const peer = new RpcPeer({ sink, wake() {}, clock: systemClock, limits: defaultLimits, root });
    peer.setLimits(defaultLimits);
    return peer;
  });
  const travel = (sink, from, to) => {
    from.urgent(16_384);
    for (let content = sink.next(65_536); content; content = sink.next(65_536)) to.receive(content.octets.slice(), 0);
  };
  return {
    remote: left.remote,
    turn() {
      travel(sinks[0], left, right);
      travel(sinks[1], right, left);
    },
  };
}

async function measure(name, inFlight, method, isAwaited) {
  const { remote, turn } = makePair();
  const start = performance.now();
  for (let n = 0; n < CALLS; n += inFlight) {
    const calls = [];
    for (let i = 0; i < inFlight; i++) {
      const call = remote[method](n, i);
      if (isAwaited) calls.push(call);
    }
    turn();
    if (method === "later") {
      for (let jobs = 0; jobs < 3; jobs++) await undefined;
      turn();
    }
    for (const call of calls) await call;
  }
  const ms = performance.now() - start;
  console.log(`${name.padEnd(44)} ${Math.round(CALLS / ms)} k calls/s, ${Math.round((ms * 1e6) / CALLS)} ns each`);
}

const cases = [
  ["1,000 in flight, not awaited", 1_000, "add", false],
  ["1,000 in flight, awaited", 1_000, "add", true],
  ["64 in flight, awaited", 64, "add", true],
  ["1,000 in flight, async method, awaited", 1_000, "later", true],
];
for (const one of cases) for (let round = 0; round < ROUNDS; round++) await measure(...one);
