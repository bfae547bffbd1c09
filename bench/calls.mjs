// How many calls a second, and what latency: duowire (exactly once, answered), an echo over ws without codec or
// numbers (a floor, no RPC), Socket.IO and Cap'n Web, interleaved in one run. The server has a process of its own.
// npm run build && npm ci --prefix bench && node bench/calls.mjs [--seconds 2] [--rounds 5] [--only duowire,ws]
// [--workload tiny] [--json]
// --json writes bench/results/calls.json, which documents may quote.
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { listening, median } from "./support.mjs";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "duowire,ws,socket.io,capnweb" },
    dist: { type: "string", default: "../dist" },
    workload: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    serve: { type: "string" },
  },
});
const seconds = Number(values.seconds);
/** Room for all calls of one workload at once: 64 of 64 KiB are more than the default. */
const limits = { queueBytesMax: 8_388_608 };
const dist = new URL(`${values.dist}/`, import.meta.url);

const row = (id) => ({ id, name: `product ${id}`, price: id * 1.25, inStock: id % 2 === 0, tags: ["a", "b"] });
/** Three payloads: 19 octets of JSON, about 1 KiB of nested objects, and 64 KiB of octets. */
const payloads = {
  tiny: { id: 7, ok: true },
  "1 KiB": { page: 1, rows: Array.from({ length: 12 }, (_, at) => row(at)) },
  "64 KiB": new Uint8Array(65_536).fill(7),
};

/** Sessions, calls in flight in each, what each carries, and who calls. */
const workloads = [
  { name: "1 in flight, tiny", sessions: 1, inFlight: 1, payload: "tiny" },
  { name: "64 in flight, tiny", sessions: 1, inFlight: 64, payload: "tiny" },
  { name: "1,024 in flight, tiny", sessions: 1, inFlight: 1_024, payload: "tiny" },
  { name: "64 sessions x 16, tiny", sessions: 64, inFlight: 16, payload: "tiny" },
  { name: "64 in flight, 1 KiB", sessions: 1, inFlight: 64, payload: "1 KiB" },
  { name: "64 sessions x 16, 1 KiB", sessions: 64, inFlight: 16, payload: "1 KiB" },
  { name: "64 in flight, 64 KiB", sessions: 1, inFlight: 64, payload: "64 KiB" },
  { name: "64 in flight, tiny, server to client", sessions: 1, inFlight: 64, payload: "tiny", isDown: true },
];

/**
 * How each peer serves, and opens a session whose `echo(value)` is a call; `served` tells of the server's ends of them,
 * in the same form.
 */
const peers = {
  duowire: {
    async serve(served) {
      const { serve } = await import(new URL("server/index.js", dist));
      const { Service } = await import(new URL("index.js", dist));
      class Echo extends Service {
        echo(value) {
          return value;
        }
      }
      const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Echo, limits });
      server.addEventListener("session", ({ detail }) => served((value) => detail.session.client.echo(value)));
      return server.address.href;
    },
    async open(url) {
      const { connect } = await import(new URL("client/index.js", dist));
      const session = connect(url, { expose: { echo: (value) => value }, links: ["websocket"], ...limits });
      while (session.link?.kind !== "websocket") await once(session, "link");
      return { echo: (value) => session.remote.echo(value), close: () => session.close() };
    },
  },
  ws: {
    async serve(served) {
      const { WebSocketServer } = await import("ws");
      const http = await listening();
      new WebSocketServer({ server: http, perMessageDeflate: false }).on("connection", (socket) => {
        socket.once("message", (first) => {
          if (String(first) === "down") return served(ordered(socket));
          socket.send(first);
          socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
        });
      });
      return `ws://127.0.0.1:${http.address().port}`;
    },
    async open(url, isDown) {
      const { WebSocket } = await import("ws");
      const socket = new WebSocket(url, { perMessageDeflate: false });
      await once(socket, "open");
      const close = () => socket.terminate();
      if (!isDown) return { echo: ordered(socket), close };
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
      socket.send("down");
      return { close };
    },
  },
  "socket.io": {
    async serve(served) {
      const { Server } = await import("socket.io");
      const http = await listening();
      new Server(http, { maxHttpBufferSize: 1e8 }).on("connection", (socket) => {
        socket.on("echo", (value, answer) => answer(value));
        served((value) => new Promise((resolve) => socket.emit("echo", value, resolve)));
      });
      return `http://127.0.0.1:${http.address().port}`;
    },
    async open(url) {
      const { io } = await import("socket.io-client");
      const socket = io(url, { transports: ["websocket"], forceNew: true });
      socket.on("echo", (value, answer) => answer(value));
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
      return {
        echo: (value) => new Promise((resolve) => socket.emit("echo", value, resolve)),
        close: () => socket.close(),
      };
    },
  },
  capnweb: {
    async serve(served) {
      const { WebSocketServer } = await import("ws");
      const { newWebSocketRpcSession, Echo } = await loadCapnWeb();
      const http = await listening();
      new WebSocketServer({ server: http, perMessageDeflate: false }).on("connection", (socket) => {
        const client = newWebSocketRpcSession(socket, new Echo());
        served((value) => client.echo(value));
      });
      return `ws://127.0.0.1:${http.address().port}`;
    },
    async open(url) {
      const { newWebSocketRpcSession, Echo } = await loadCapnWeb();
      const socket = new WebSocket(url, { perMessageDeflate: false });
      await once(socket, "open");
      const server = newWebSocketRpcSession(socket, new Echo());
      return { echo: (value) => server.echo(value), close: () => socket.terminate() };
    },
  },
};

/** It expects a WebSocket of the platform's, which Node 20 has not. */
async function loadCapnWeb() {
  globalThis.WebSocket ??= (await import("ws")).WebSocket;
  const { newWebSocketRpcSession, RpcTarget } = await import("capnweb");
  class Echo extends RpcTarget {
    echo(value) {
      return value;
    }
  }
  return { newWebSocketRpcSession, Echo };
}

/** Calls of an echo whose answers come in the order of the questions. */
function ordered(socket) {
  const waiting = [];
  let next = 0;
  socket.on("message", (data) => {
    waiting[next++](data);
    if (next < waiting.length) return;
    waiting.length = next = 0;
  });
  return (value) => {
    socket.send(value instanceof Uint8Array ? value : JSON.stringify(value));
    return new Promise((resolve) => waiting.push(resolve));
  };
}

if (values.serve === undefined) await measureAll();
else await serveForParent(values.serve);

async function measureAll() {
  const names = values.only.split(",");
  const loadBefore = loadavg()[0];
  const rows = [];
  for (const workload of workloads.filter(({ name }) => name.includes(values.workload))) {
    const figures = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const name of names) figures[name].push(await measure(name, workload));
    }
    rows.push({ workload: workload.name, peers: names.map((name) => summary(name, figures[name])) });
    print(rows.at(-1));
  }
  if (!values.json) return;
  const machine = { node: process.version, cores: availableParallelism(), loadBefore };
  const result = { ...machine, rounds: Number(values.rounds), seconds, rows };
  writeFileSync(new URL("./results/calls.json", import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`);
}

function summary(name, runs) {
  return {
    name,
    callsPerSecond: Math.round(median(runs.map((run) => run.callsPerSecond))),
    cpuMicrosecondsPerCall: Math.round(100 * median(runs.map((run) => run.cpuMicroseconds))) / 100,
  };
}

function print({ workload, peers: [first, ...others] }) {
  const line = ({ name, callsPerSecond, cpuMicrosecondsPerCall }, ratios) =>
    `  ${name.padEnd(10)}${callsPerSecond.toLocaleString("en").padStart(10)} calls/s ` +
    `${cpuMicrosecondsPerCall.toFixed(2).padStart(8)} us of CPU each${ratios}`;
  console.log(`${workload}\n${line(first, "")}`);
  for (const other of others) {
    const faster = (first.callsPerSecond / other.callsPerSecond).toFixed(2);
    const cheaper = (other.cpuMicrosecondsPerCall / first.cpuMicrosecondsPerCall).toFixed(2);
    console.log(line(other, `  ${first.name}: ${faster} of its calls/s, ${cheaper} of its calls per CPU`));
  }
}

/** One workload of one peer, with a fresh server. CPU time is that of both processes. */
async function measure(name, { sessions, inFlight, payload, isDown = false }) {
  const server = fork(fileURLToPath(import.meta.url), ["--serve", name, "--dist", values.dist]);
  const [{ url }] = await once(server, "message");
  const open = [];
  for (let count = 0; count < sessions; count += 1) open.push(await peers[name].open(url, isDown));
  const echoes = open.map(({ echo }) => echo);
  const run = (forSeconds) =>
    isDown
      ? ask(server, { run: { inFlight, payload, forSeconds } })
      : callAll(echoes, inFlight, payloads[payload], forSeconds);
  await run(seconds / 2);
  const before = await cpuOf(server);
  const result = await run(seconds);
  const after = await cpuOf(server);
  for (const { close } of open) void close();
  server.kill("SIGKILL");
  await once(server, "exit");
  return { callsPerSecond: result.calls / result.seconds, cpuMicroseconds: (after - before) / result.calls };
}

async function cpuOf(server) {
  const { user, system } = process.cpuUsage();
  return user + system + (await ask(server, { cpu: true }));
}

/** Keeps `inFlight` calls under way in each session for a while, and waits for the last answers. */
async function callAll(echoes, inFlight, value, forSeconds) {
  let calls = 0;
  let isOver = false;
  const one = async (echo) => {
    while (!isOver) {
      await echo(value);
      calls += 1;
    }
  };
  const start = performance.now();
  const running = echoes.flatMap((echo) => Array.from({ length: inFlight }, () => one(echo)));
  await sleep(forSeconds);
  isOver = true;
  await Promise.all(running);
  return { calls, seconds: (performance.now() - start) / 1_000 };
}

/** The server's process: it serves, tells its CPU time, and calls its client when it is told to. */
async function serveForParent(name) {
  const echoes = [];
  const url = await peers[name].serve((echo) => echoes.push(echo));
  process.on("message", async ({ run }) => {
    if (run !== undefined) {
      return process.send(await callAll(echoes, run.inFlight, payloads[run.payload], run.forSeconds));
    }
    const { user, system } = process.cpuUsage();
    process.send(user + system);
  });
  process.on("disconnect", () => process.exit());
  process.send({ url });
}

async function ask(server, question) {
  server.send(question);
  const [answer] = await once(server, "message");
  return answer;
}

function sleep(forSeconds) {
  return new Promise((resolve) => setTimeout(resolve, forSeconds * 1_000));
}
