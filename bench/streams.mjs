// Octets a second of one stream from a server to a client, and back: duowire (with back-pressure, exactly once), ws
// and Socket.IO (without either), interleaved in one run. The server and the client have a process each. Peers that
// have no streams send messages, and wait while too much is on its way.
// npm run build && npm ci --prefix bench && node bench/streams.mjs [--megabytes 512] [--rounds 5] [--chunk 65536]
// With --slow-reader, one stream to a reader that waits 1 ms after each chunk, and what memory that took.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { listening, median } from "./support.mjs";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

/** How much a peer without streams lets be on its way. */
const UNDER_WAY_MAX = 1_048_576;

const { values } = parseArgs({
  options: {
    megabytes: { type: "string", default: "512" },
    chunk: { type: "string", default: "65536" },
    rounds: { type: "string", default: "5" },
    "slow-reader": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    serve: { type: "string" },
  },
});
const chunkBytes = Number(values.chunk);
const chunks = Math.round((Number(values.megabytes) * 1_048_576) / chunkBytes);

/** How each peer serves, and how many octets `down` and `up` carried until all of them were there. */
const peers = {
  duowire: {
    async serve() {
      const { serve } = await import("../dist/server/index.js");
      const { Service } = await import("../dist/index.js");
      class Files extends Service {
        async *down() {
          for (let n = 0; n < chunks; n += 1) yield chunk;
        }
        async up(stream) {
          return count(stream);
        }
        memory() {
          return memory();
        }
      }
      return (await serve({ address: "http://127.0.0.1:0/WAO", service: Files })).address.href;
    },
    async open(url) {
      const { connect } = await import("../dist/client/index.js");
      const session = connect(url, { links: ["websocket"] });
      while (session.link?.kind !== "websocket") await once(session, "link");
      async function* made() {
        for (let n = 0; n < chunks; n += 1) yield chunk;
      }
      return {
        session,
        down: () => count(session.remote.down()),
        up: () => session.remote.up(made()),
        close: () => session.close(),
      };
    },
  },
  ws: {
    async serve() {
      const { WebSocketServer } = await import("ws");
      const http = await listening();
      new WebSocketServer({ server: http, perMessageDeflate: false }).on("connection", (socket) => {
        const take = taker((octets) => socket.send(String(octets)));
        socket.on("message", (data, isBinary) => {
          if (isBinary) take(data.length);
          else void pour(socket);
        });
      });
      return `ws://127.0.0.1:${http.address().port}`;
    },
    async open(url) {
      const { WebSocket } = await import("ws");
      const socket = new WebSocket(url, { perMessageDeflate: false });
      await once(socket, "open");
      const run = (start) =>
        new Promise((resolve) => {
          const take = taker(resolve);
          socket.removeAllListeners("message");
          socket.on("message", (data, isBinary) => (isBinary ? take(data.length) : resolve(Number(data))));
          start();
        });
      return {
        down: () => run(() => socket.send("go")),
        up: () => run(() => void pour(socket)),
        close: () => socket.terminate(),
      };
    },
  },
  "socket.io": {
    async serve() {
      const { Server } = await import("socket.io");
      const http = await listening();
      new Server(http, { maxHttpBufferSize: 1e8 }).on("connection", (socket) => {
        const take = taker((octets) => socket.emit("total", octets));
        socket.on("chunk", (data) => take(data.length));
        socket.on("go", () => void emitAll(socket, () => socket.conn.transport.socket.bufferedAmount));
      });
      return `http://127.0.0.1:${http.address().port}`;
    },
    async open(url) {
      const { io } = await import("socket.io-client");
      const socket = io(url, { transports: ["websocket"], forceNew: true });
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
      return {
        down: () =>
          new Promise((resolve) => {
            const take = taker(resolve);
            socket.off("chunk").on("chunk", (data) => take(data.length));
            socket.emit("go");
          }),
        up: () =>
          new Promise((resolve) => {
            socket.once("total", resolve);
            void emitAll(socket, () => socket.io.engine.transport.ws.bufferedAmount);
          }),
        close: () => socket.close(),
      };
    },
  },
};

const chunk = new Uint8Array(chunkBytes).fill(7);

if (values.serve !== undefined) process.send({ url: await peers[values.serve].serve() });
else if (values["slow-reader"]) await readSlowly();
else await measureAll();

async function measureAll() {
  const figures = {};
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const name of Object.keys(peers)) {
      for (const [way, perSecond] of Object.entries(await measure(name))) {
        figures[way] ??= {};
        figures[way][name] ??= [];
        figures[way][name].push(perSecond);
      }
    }
  }
  const rows = Object.entries(figures).flatMap(([way, of]) =>
    Object.entries(of).map(([name, all]) => ({ way, name, megabytesPerSecond: Math.round(median(all)) })),
  );
  if (values.json)
    return console.log(JSON.stringify({ node: process.version, chunkBytes, chunks, rows }, undefined, 1));
  console.log(
    `Node ${process.version}: ${values.megabytes} MiB in chunks of ${chunkBytes}, median of ${values.rounds}`,
  );
  for (const { way, name, megabytesPerSecond } of rows) {
    const ours = rows.find((row) => row.way === way && row.name === "duowire").megabytesPerSecond;
    const ratio = name === "duowire" ? "" : `  duowire is ${(ours / megabytesPerSecond).toFixed(2)} of it`;
    console.log(`${way.padEnd(6)}${name.padEnd(10)}${String(megabytesPerSecond).padStart(6)} MB/s${ratio}`);
  }
}

async function measure(name) {
  const { server, url } = await start(name);
  const peer = await peers[name].open(url);
  const rates = {};
  for (const way of ["down", "up"]) {
    const begin = performance.now();
    const octets = await peer[way]();
    if (octets !== chunks * chunkBytes) throw new Error(`${name} ${way}: ${octets} octets of ${chunks * chunkBytes}`);
    rates[way] = octets / 1e6 / ((performance.now() - begin) / 1000);
  }
  void peer.close();
  server.kill("SIGKILL");
  await once(server, "exit");
  return rates;
}

/** What a slow reader costs at both ends: the most that was in use (after a collection of garbage), and in residence. */
async function readSlowly() {
  const { server, url } = await start("duowire");
  const { session } = await peers.duowire.open(url);
  const both = async () => [memory(), await session.remote.memory()];
  const before = await both();
  const most = before.map((one) => ({ ...one }));
  let octets = 0;
  for await (const part of session.remote.down()) {
    octets += part.length;
    await sleep(1);
    if ((octets / chunkBytes) % 100 !== 0) continue;
    for (const [at, now] of (await both()).entries())
      for (const kind of Object.keys(now)) most[at][kind] = Math.max(most[at][kind], now[kind]);
  }
  console.log(`${octets} octets to a reader that waits 1 ms after each chunk; the most beyond what was there before:`);
  for (const [at, name] of ["reader", "producer"].entries()) {
    const grown = (kind) => `${((most[at][kind] - before[at][kind]) / 1_048_576).toFixed(1)} MiB`;
    console.log(`${name.padEnd(9)} ${grown("used")} in use, ${grown("resident")} resident`);
  }
  await session.close();
  server.kill("SIGKILL");
}

function memory() {
  const { rss } = process.memoryUsage();
  // Buffers are freed a while after they were found to be garbage.
  for (let n = 0; n < 3; n += 1) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { used: heapUsed + arrayBuffers, resident: rss };
}

async function start(name) {
  const program = fileURLToPath(import.meta.url);
  const server = fork(program, ["--serve", name, "--megabytes", values.megabytes, "--chunk", values.chunk]);
  const [{ url }] = await once(server, "message");
  return { server, url };
}

async function count(stream) {
  let octets = 0;
  for await (const part of stream) octets += part.length;
  return octets;
}

/** Adds up lengths, and tells when all is there. */
function taker(done) {
  let octets = 0;
  return (length) => {
    octets += length;
    if (octets !== chunks * chunkBytes) return;
    done(octets);
    octets = 0;
  };
}

/** Sends all chunks over a WebSocket, and waits while much is under way. */
async function pour(socket) {
  for (let n = 0; n < chunks; n += 1) {
    const sent = new Promise((resolve) => socket.send(chunk, resolve));
    if (socket.bufferedAmount > UNDER_WAY_MAX) await sent;
  }
}

async function emitAll(socket, bufferedAmount) {
  for (let n = 0; n < chunks; n += 1) {
    socket.emit("chunk", chunk);
    while (bufferedAmount() > UNDER_WAY_MAX) await new Promise(setImmediate);
    if (n % 16 === 15) await new Promise(setImmediate);
  }
}
