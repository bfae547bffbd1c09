// How many round trips a client needs to its first result.
//
//   node lab/round-trips.mjs --target http://127.0.0.1:9000/WAO [--rtt 200] [--json] -- node client.mjs {url}
//
// The command is run with {url} replaced by the target as seen through a distant proxy (delay-proxy.mjs); its first
// line of output counts as the first result. Time runs from its first connection, so that loading modules is not
// counted; one round trip of it is the TCP handshake, which is told apart.
import { spawn } from "node:child_process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { startDelayProxy } from "./delay-proxy.mjs";

const PATIENCE_MS = 30_000;

/**
 * Runs a client at a distance. The count of round trips is without the handshake of the first connection, and with
 * what both programs computed: at 200 ms that adds a few hundredths.
 *
 * @param {{ target: string, rttMs: number, command: readonly string[], env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ rttMs: number, firstResultMs: number, roundTrips: number, connections: number }>}
 */
export async function measureRoundTrips({ target, rttMs, command, env = process.env }) {
  const url = new URL(target);
  const proxy = await startDelayProxy({ target: { host: url.hostname, port: Number(url.port || 80) }, rttMs });
  url.host = `127.0.0.1:${proxy.port}`;
  const [program = "", ...words] = command.map((word) => word.replaceAll("{url}", url.href));
  const child = spawn(program, words, { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    await firstLine(child);
    const firstResultMs = performance.now() - (proxy.firstAt ?? Number.NaN);
    return {
      rttMs,
      firstResultMs: Math.round(firstResultMs),
      roundTrips: Math.round((firstResultMs / rttMs - 1) * 100) / 100,
      connections: proxy.connections,
    };
  } finally {
    child.kill("SIGKILL");
    proxy.close();
  }
}

/** @param {import("node:child_process").ChildProcess} child @returns {Promise<void>} */
function firstLine(child) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no result within ${PATIENCE_MS} ms`)), PATIENCE_MS);
    const settle = (/** @type {() => void} */ then) => {
      clearTimeout(timer);
      then();
    };
    child.stdout?.once("data", () => settle(resolve));
    child.once("error", (error) => settle(() => reject(error)));
    child.once("exit", (code) => settle(() => reject(new Error(`the command ended with ${code}, and no result`))));
  });
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      target: { type: "string" },
      rtt: { type: "string", default: "200" },
      json: { type: "boolean", default: false },
    },
  });
  if (!values.target || positionals.length === 0) {
    console.error("usage: node lab/round-trips.mjs --target URL [--rtt MS] [--json] -- COMMAND… (with {url} in it)");
    process.exitCode = 2;
    return;
  }
  const measured = await measureRoundTrips({ target: values.target, rttMs: Number(values.rtt), command: positionals });
  const { rttMs, firstResultMs, roundTrips, connections } = measured;
  console.log(
    values.json
      ? JSON.stringify(measured)
      : `first result after TCP handshake + ${roundTrips} round trips of ${rttMs} ms (${firstResultMs} ms, ${connections} connections)`,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
