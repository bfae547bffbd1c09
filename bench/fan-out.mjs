// How many messages a second one server pushes to many clients: duowire's groups (each call answered, exactly once),
// ws and Socket.IO, interleaved in one run. The server and the clients have a process each.
// npm run build && npm ci --prefix bench && node bench/fan-out.mjs [--clients 5000] [--messages 40] [--rounds 3]
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { listening, median } from "./support.mjs";

const PAYLOAD = "x".repeat(100);
const OPENING_AT_ONCE = 50;

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "5000" },
    messages: { type: "string", default: "40" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    serve: { type: "string" },
  },
});
const clients = Number(values.clients);
const messages = Number(values.messages);

/** How each peer serves and is connected to: `push` reaches all clients, `open` calls `heard` for each message. */
const peers = {
  duowire: {
    async serve() {
      const { serve } = await import("../dist/server/index.js");
      const { Service } = await import("../dist/index.js");
      class Prices extends Service {}
      const server = await serve({
        address: "http://127.0.0.1:0/WAO",
        service: Prices,
        limits: { waitingPerSourceMax: clients },
      });
      const all = server.group("all");
      server.addEventListener("session", ({ detail }) => all.add(detail.session));
      return { url: server.address.href, push: () => all.client.price(PAYLOAD) };
    },
    async open(url, heard) {
      const { connect } = await import("../dist/client/index.js");
      const session = connect(url, { expose: { price: () => heard() }, links: ["websocket"] });
      while (session.link?.kind !== "websocket") await once(session, "link");
      return () => session.close();
    },
  },
  ws: {
    async serve() {
      const { WebSocketServer } = await import("ws");
      const http = await listening();
      const server = new WebSocketServer({ server: http });
      const push = () => {
        for (const socket of server.clients) socket.send(PAYLOAD);
      };
      return { url: `ws://127.0.0.1:${http.address().port}`, push };
    },
    async open(url, heard) {
      const { WebSocket } = await import("ws");
      const socket = new WebSocket(url);
      socket.on("message", heard);
      await once(socket, "open");
      return () => socket.terminate();
    },
  },
  "socket.io": {
    async serve() {
      const { Server } = await import("socket.io");
      const http = await listening();
      const server = new Server(http);
      return { url: `http://127.0.0.1:${http.address().port}`, push: () => server.emit("price", PAYLOAD) };
    },
    async open(url, heard) {
      const { io } = await import("socket.io-client");
      const socket = io(url, { transports: ["websocket"], forceNew: true });
      socket.on("price", heard);
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
      return () => socket.close();
    },
  },
};

if (values.serve === undefined) await measureAll();
else await serveForParent(values.serve);

async function measureAll() {
  const figures = Object.fromEntries(Object.keys(peers).map((name) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const name of Object.keys(peers)) figures[name].push(await measure(name));
  }
  const rows = Object.entries(figures).map(([name, perSecond]) => ({ name, perSecond: median(perSecond) }));
  if (values.json) {
    console.log(JSON.stringify({ node: process.version, clients, messages, rows }, undefined, 1));
    return;
  }
  console.log(
    `Node ${process.version}: ${messages} messages of 100 octets to ${clients} clients, median of ${values.rounds}`,
  );
  for (const { name, perSecond } of rows) {
    const ratio = (of) => (rows[0].perSecond / of).toFixed(2);
    const compared = name === "duowire" ? "" : `  duowire is ${ratio(perSecond)} of it`;
    console.log(`${name.padEnd(10)}${Math.round(perSecond).toLocaleString("en").padStart(10)} messages/s${compared}`);
  }
}

async function measure(name) {
  const program = fileURLToPath(import.meta.url);
  const server = fork(program, ["--serve", name, "--clients", values.clients, "--messages", values.messages]);
  const [{ url }] = await once(server, "message");
  let count = 0;
  let finished = () => undefined;
  const all = clients * messages;
  const heard = () => {
    count += 1;
    if (count === all) finished();
  };
  const closers = [];
  for (let opened = 0; opened < clients; opened += OPENING_AT_ONCE) {
    const some = Array.from({ length: Math.min(OPENING_AT_ONCE, clients - opened) }, () =>
      peers[name].open(url, heard),
    );
    closers.push(...(await Promise.all(some)));
  }
  const done = new Promise((resolve) => (finished = resolve));
  const start = performance.now();
  server.send("go");
  await done;
  const seconds = (performance.now() - start) / 1000;
  for (const close of closers) void close();
  server.kill("SIGKILL");
  await once(server, "exit");
  return all / seconds;
}

/** The server's process: pushes one message a turn when it is told to. */
async function serveForParent(name) {
  const { url, push } = await peers[name].serve();
  process.once("message", () => {
    let left = messages;
    const one = () => {
      push();
      left -= 1;
      if (left > 0) setImmediate(one);
    };
    one();
  });
  process.once("disconnect", () => process.exit());
  process.send({ url });
}
