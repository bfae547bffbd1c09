// What a session costs in each host: the time until the server has its process, the time from its access to its first
// answer, memory, hand-offs of sockets a second, and calls a second of one session over its WebSocket.
// npm run build && node bench/hosts.mjs [--rounds 20] [--memory 10] [--handoffs 1000] [--calls 100000]
// Prints a table and writes bench/results/hosts.json, which the guides quote. Server and clients have a process each.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inline } from "../dist/host/inline.js";
import Echo from "./echo-service.mjs";
import { median } from "./support.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    memory: { type: "string", default: "10" },
    handoffs: { type: "string", default: "1000" },
    calls: { type: "string", default: "100000" },
    serve: { type: "string" },
  },
});
/** Sessions opened at the same time for the count of hand-offs: enough to keep both sides busy. */
const AT_ONCE = 4;
/** Calls under way at the same time for the count of calls. */
const CALLS_AT_ONCE = 64;
/** Of the time of a call alone: so many calls, one after the other. */
const ALONE = 1_000;

const module = new URL("./echo-service.mjs", import.meta.url);
const cold = { warmMin: 0, warmMax: 0 };
const warm = { warmMin: 4, warmMax: 4 };

/** How each kind is served. */
const kinds = {
  inline: () => inline(Echo),
  "thread, cold": ({ workerThread }) => workerThread(module, cold),
  "thread, warm": ({ workerThread }) => workerThread(module, warm),
  "thread, pool of 2": ({ workerThread }) => workerThread(module, { pool: 2 }),
  "process, cold": ({ childProcess }) => childProcess(module, cold),
  "process, warm": ({ childProcess }) => childProcess(module, warm),
  "process, pool of 2": ({ childProcess }) => childProcess(module, { pool: 2 }),
  "process, relayed": ({ childProcess }) => childProcess(module, warm),
};
/** Those whose calls are counted: each way that the octets of a session can take. */
const counted = ["inline", "thread, warm", "process, warm", "process, relayed"];

if (values.serve === undefined) await measureAll();
else await serveForParent(values.serve);

async function measureAll() {
  const machine = { node: process.version, cores: availableParallelism(), loadBefore: loadavg()[0] };
  const rows = [];
  for (const name of Object.keys(kinds)) rows.push(await measure(name));
  const result = { ...machine, rounds: Number(values.rounds), sessionsForMemory: Number(values.memory), rows };
  writeFileSync(new URL("./results/hosts.json", import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`);
  const cell = (text) => String(text).padStart(16);
  console.log(
    `Node ${process.version}, ${machine.cores} cores, load ${machine.loadBefore} before: one session, median of ${values.rounds}`,
  );
  const heads = ["process made", "first answer", "memory", "hand-offs", "calls", "of inline", "one call"];
  console.log(`${"".padEnd(20)}${heads.map(cell).join("")}`);
  for (const { name, generateMs, firstAnswerMs, memoryMiB, handOffsPerSecond, calls } of rows) {
    const handOffs = handOffsPerSecond === undefined ? "" : `${handOffsPerSecond} /s`;
    const ratio = calls && `${Math.round((100 * calls.perSecond) / rows[0].calls.perSecond)} %`;
    const callCells = calls ? [`${calls.perSecond} /s`, ratio, `${calls.aloneMs} ms`] : [];
    const cells = [`${generateMs} ms`, `${firstAnswerMs} ms`, `${memoryMiB} MiB`, handOffs, ...callCells];
    console.log(`${name.padEnd(20)}${cells.map(cell).join("")}`);
  }
}

async function measure(name) {
  const server = fork(fileURLToPath(import.meta.url), ["--serve", name], { execArgv: ["--expose-gc"] });
  const [{ url }] = await once(server, "message");
  await quiet();
  const times = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    times.push(await firstAnswer(url));
    // The pool refills meanwhile: this is the time of one access, not of a rush.
    await quiet();
  }
  const generateMs = await ask(server, "generated");
  const memoryMiB = await memoryOf(server, url, name === "inline" ? 200 : Number(values.memory));
  const handOffsPerSecond = name === "process, pool of 2" ? await handOffs(url) : undefined;
  const calls = counted.includes(name) ? await countCalls(url) : undefined;
  server.disconnect();
  await once(server, "exit");
  const firstAnswerMs = hundredths(median(times));
  return { name, generateMs: hundredths(median(generateMs)), firstAnswerMs, memoryMiB, handOffsPerSecond, calls };
}

function hundredths(figure) {
  return Math.round(figure * 100) / 100;
}

async function ask(server, question) {
  server.send(question);
  const [answer] = await once(server, "message");
  return answer;
}

async function firstAnswer(url) {
  const { connect } = await import("../dist/client/index.js");
  const startedMs = performance.now();
  const session = connect(url, { links: ["websocket"] });
  await session.remote.echo(1);
  const ms = performance.now() - startedMs;
  await session.close();
  return ms;
}

/** What one more session takes of memory that is nobody else's, in the server and in its processes together. */
async function memoryOf(server, url, sessions) {
  const { connect } = await import("../dist/client/index.js");
  const before = await privateMiB(server);
  const open = [];
  for (let count = 0; count < sessions; count += 1) {
    const session = connect(url, { links: ["websocket"] });
    await session.remote.echo(1);
    open.push(session);
  }
  await quiet(1_000);
  const after = await privateMiB(server);
  await Promise.all(open.map((session) => session.close()));
  return Math.round(((after - before) / sessions) * 100) / 100;
}

/** Calls of one session over its WebSocket, the median of three runs behind a first one, and the time of one alone. */
async function countCalls(url) {
  const { connect } = await import("../dist/client/index.js");
  const session = connect(url, { links: ["websocket"] });
  session.opened.catch(() => undefined);
  while (session.link?.kind !== "websocket") await once(session, "link");
  const run = async () => {
    let left = Number(values.calls);
    const one = async () => {
      while (left-- > 0) await session.remote.echo(left);
    };
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: CALLS_AT_ONCE }, one));
    return Math.round(Number(values.calls) / ((performance.now() - startedMs) / 1_000));
  };
  const runs = [];
  for (let count = 0; count < 4; count += 1) runs.push(await run());
  const perSecond = hundredths(median(runs.slice(1)));
  const times = [];
  for (let count = 0; count < ALONE; count += 1) {
    const startedMs = performance.now();
    await session.remote.echo(count);
    times.push(performance.now() - startedMs);
  }
  await session.close();
  return { perSecond, aloneMs: hundredths(median(times)) };
}

async function handOffs(url) {
  const { connect } = await import("../dist/client/index.js");
  let left = Number(values.handoffs);
  const startedMs = performance.now();
  const one = async () => {
    while (left-- > 0) {
      const session = connect(url, { links: ["websocket"] });
      session.opened.catch(() => undefined);
      while (session.link?.kind !== "websocket") await once(session, "link");
      await session.close();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return Math.round(Number(values.handoffs) / ((performance.now() - startedMs) / 1_000));
}

/** Private memory of a process and all below it; what is shared with others of the same program does not count. */
async function privateMiB(server) {
  await ask(server, "gc");
  const pids = [server.pid];
  for (const pid of pids) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    if (children !== "") pids.push(...children.split(" ").map(Number));
  }
  let kib = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    for (const [, value] of text.matchAll(/^Private_(?:Clean|Dirty): +(\d+)/gm)) kib += Number(value);
  }
  return kib / 1_024;
}

async function serveForParent(name) {
  const hosts = await import("../dist/server/index.js");
  const limits = { waitingPerSourceMax: 10_000, accessesPerSourcePerSecondMax: 100_000 };
  const host = kinds[name](hosts);
  const times = [];
  const service = {
    open: (ended) => host.open?.(ended) ?? (async () => undefined),
    async generate(access, grounds) {
      const startedMs = performance.now();
      const made = await host.generate(access, grounds);
      times.push(performance.now() - startedMs);
      // What cannot be handed over, such as TLS that ends in Node, goes this way.
      if (name.endsWith("relayed")) made.acceptUpgrade = () => false;
      return made;
    },
  };
  const server = await hosts.serve({ address: "http://127.0.0.1:0/WAO", service, limits });
  process.on("message", (question) => {
    globalThis.gc();
    process.send(question === "gc" ? [] : times);
  });
  process.on("disconnect", () => void server.close().then(() => process.exit()));
  process.send({ url: server.address.href });
}

function quiet(ms = 250) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
