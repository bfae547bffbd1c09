// How fast is the session core alone? Two cores, joined by nothing but function calls; no sockets, no timers.
// After a build: `node --expose-gc bench/session-core.mjs`. Prints one table; --json prints the figures.
import { decodeFrames } from "../dist/frame/frame.js";
import { defaultLimits } from "../dist/frame/limits.js";
import { Session } from "../dist/session/session.js";

const SECONDS = Number(process.env.BENCH_SECONDS ?? 1);
const KEY = new Uint8Array(32);
const INCARNATION = new Uint8Array(16);

/** @param {"client" | "server"} side */
function makeSession(side) {
  const times = { leaseMs: 60_000, freshMs: 15_000, closeMs: 1_000 };
  return new Session({ side, limits: defaultLimits, queueBytesMax: 1 << 24, ...times }, 0);
}

/** Gives what `from` wants sent to `to`; returns how many octets `from` delivered to its application. */
function pump(from, to, now) {
  let delivered = 0;
  for (let output = from.poll(); output !== undefined; output = from.poll()) {
    if (output.type === "deliver") delivered += output.messages.length;
    if (output.type !== "transmit") continue;
    for (const frames of output.frames) {
      decodeFrames(frames, (frame) => {
        if (frame.type !== "attach") return to.receive(1, frame, now);
        to.receiveAttach(1, frame, { admission: "1.token" }, undefined, now);
        to.flush(now);
      });
    }
  }
  return delivered;
}

/** A client and a server that are attached to each other. */
function makePair() {
  const [client, server] = [makeSession("client"), makeSession("server")];
  client.attach(1, { type: "attach", key: KEY }, INCARNATION, undefined, 0);
  client.flush(0);
  for (let i = 0; i < 4; i++) {
    pump(client, server, 0);
    pump(server, client, 0);
  }
  if (client.state !== "open" || server.state !== "open") throw new Error("the two cores did not attach");
  return { client, server };
}

/** Runs `once(n)` for a while and measures it: first the time, then what it allocates. */
function measure(name, octets, once) {
  let count = 0;
  for (; count < 2_000; count++) once(count);
  const began = performance.now();
  const first = count;
  while (performance.now() - began < SECONDS * 1_000) for (let i = 0; i < 200; i++) once(count++);
  const perSecond = (count - first) / ((performance.now() - began) / 1_000);
  // Too few turns for the collector to come in between.
  const [rounds, turns] = globalThis.gc ? [40, 50] : [0, 0];
  let allocated = 0;
  for (let round = 0; round < rounds; round++) {
    globalThis.gc();
    const before = heldBytes();
    for (let i = 0; i < turns; i++) once(count++);
    allocated += heldBytes() - before;
  }
  const allocatedPerTurn = rounds === 0 ? Number.NaN : allocated / rounds / turns;
  return { name, perSecond, allocatedPerTurn, mibPerSecond: perSecond * (octets / 1_048_576) };
}

function heldBytes() {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** One turn: messages are queued, become a batch, arrive, are delivered, and are acknowledged now and then. */
function oneWay(messageBytes, messages) {
  const { client, server } = makePair();
  const message = new Uint8Array(messageBytes);
  const bytes = messageBytes * messages;
  let delivered = 0;
  return measure(`${messages} × ${messageBytes} octets, one way`, bytes, (n) => {
    for (let i = 0; i < messages; i++) {
      client.outgoing.begin().octets(message);
      client.outgoing.commit(true);
    }
    client.flush(n);
    pump(client, server, n);
    delivered += pump(server, client, n);
    // The acknowledgement that is due after 20 ms, in a clock that counts turns.
    if (n % 2 === 1) {
      server.handleTimeout(n + 20);
      server.flush(n + 20);
      pump(server, client, n);
    }
    if (client.state !== "open" || server.state !== "open") throw new Error("the session ended");
    if (n > 1_000 && delivered === 0) throw new Error("nothing was delivered");
  });
}

/** A call and its answer: each batch carries the acknowledgement of the one before. */
function bothWays(messageBytes) {
  const { client, server } = makePair();
  const message = new Uint8Array(messageBytes);
  return measure(`1 × ${messageBytes} octets, there and back`, 2 * messageBytes, (n) => {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      from.outgoing.begin().octets(message);
      from.outgoing.commit(true);
      from.flush(n);
      pump(from, to, n);
      pump(to, from, n);
    }
  });
}

/** What a new link costs that has to say `batches` batches again, all of which the server has. */
function replay(batches) {
  const { client, server } = makePair();
  const message = new Uint8Array(100);
  for (let i = 0; i < batches; i++) {
    client.outgoing.begin().octets(message);
    client.outgoing.commit(true);
    client.flush(0);
    pump(client, server, 0);
  }
  return measure(`attach with ${batches} duplicates`, batches * 100, (n) => {
    client.attach(n + 10, { type: "attach", key: KEY }, INCARNATION, undefined, n);
    client.flush(n);
    for (let output = client.poll(); output !== undefined; output = client.poll()) {
      if (output.type !== "transmit") continue;
      for (const frames of output.frames) {
        decodeFrames(frames, (frame) => {
          if (frame.type !== "attach") server.receive(n + 10, frame, n);
          // As if nothing had been received: what was lost is the answer.
          else server.receiveAttach(n + 10, frame, { admission: "1.token" }, undefined, n);
        });
      }
    }
    while (server.poll() !== undefined);
  });
}

const rows = [oneWay(20, 1), oneWay(20, 50), oneWay(1_024, 1), oneWay(65_536, 1), bothWays(20), replay(100)];

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ node: process.version, rows }, undefined, 1));
} else {
  console.log(`Node ${process.version}, ${SECONDS} s a row${globalThis.gc ? "" : ", without --expose-gc"}`);
  const heads = [
    ["turns a second", 16],
    ["octets allocated", 18],
    ["MiB a second", 14],
  ];
  console.log("turn".padEnd(34) + heads.map(([head, width]) => head.padStart(width)).join(""));
  for (const { name, perSecond, allocatedPerTurn, mibPerSecond } of rows) {
    const figures = [
      [perSecond, 16],
      [allocatedPerTurn, 18],
      [mibPerSecond, 14],
    ];
    const cells = figures.map(([value, width]) => Math.round(value).toLocaleString("en").padStart(width));
    console.log(name.padEnd(34) + cells.join(""));
  }
}
