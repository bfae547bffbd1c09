// A TCP proxy on loopback that is as far away as you like: without namespaces, without privileges.
//
//   node lab/delay-proxy.mjs --target 127.0.0.1:9000 --rtt 200 [--port 9100]
//
// What is modelled is time, not loss: each direction takes half a round trip, and what a client sends in the first
// round trip of a connection waits for that to be over, since a real client could not have sent it before the
// handshake was. So a request and its answer on a new connection take two round trips, on an old one it takes one.
import { connect, createServer } from "node:net";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

/** Octets on their way in one direction; beyond it the sender has to wait, as on a real path with full buffers. */
const UNDER_WAY_BYTES_MAX = 8 << 20;

/**
 * Starts a proxy.
 *
 * @param {{ target: { host: string, port: number }, rttMs: number, port?: number }} options
 * @returns {Promise<DelayProxy>}
 */
export async function startDelayProxy({ target, rttMs, port = 0 }) {
  const proxy = new DelayProxy(target, rttMs);
  await proxy.listen(port);
  return proxy;
}

/** A running proxy. */
export class DelayProxy {
  #target;
  #rttMs;
  #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  /** How many connections there have been. */
  connections = 0;
  /** When the first of them began, by performance.now(). @type {number | undefined} */
  firstAt;

  /** @param {{ host: string, port: number }} target @param {number} rttMs */
  constructor(target, rttMs) {
    this.#target = target;
    this.#rttMs = rttMs;
  }

  get port() {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** @param {number} port @returns {Promise<void>} */
  listen(port) {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => resolve());
    });
  }

  /** Ends every connection at once, and stops to listen. */
  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** @param {import("node:net").Socket} client */
  #accept(client) {
    const acceptedAt = performance.now();
    this.connections += 1;
    this.firstAt ??= acceptedAt;
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const handshakeOverAt = acceptedAt + this.#rttMs;
    delayed(client, server, (now) => Math.max(now, handshakeOverAt) + this.#rttMs / 2);
    delayed(server, client, (now) => now + this.#rttMs / 2);
    this.#endTogether(client, server);
    this.#endTogether(server, client);
  }

  /** @param {import("node:net").Socket} one @param {import("node:net").Socket} other */
  #endTogether(one, other) {
    this.#sockets.add(one);
    one.on("error", () => other.resetAndDestroy());
    one.on("close", () => {
      this.#sockets.delete(one);
      // Whatever is still under way arrives first, unless that takes too long to matter.
      setTimeout(() => other.destroy(), 2 * this.#rttMs).unref();
    });
  }
}

/**
 * Carries what one socket sends to another, later and in order.
 *
 * @param {import("node:net").Socket} from
 * @param {import("node:net").Socket} to
 * @param {(now: number) => number} arrivalOf when something arrives that is sent now
 */
function delayed(from, to, arrivalOf) {
  /** @type {{ at: number, octets: Buffer | undefined }[]} */
  const underWay = [];
  let bytes = 0;
  /** @param {Buffer | undefined} octets */
  const send = (octets) => {
    underWay.push({ at: arrivalOf(performance.now()), octets });
    bytes += octets?.length ?? 0;
    if (bytes > UNDER_WAY_BYTES_MAX) from.pause();
    if (underWay.length === 1) wait();
  };
  const wait = () => {
    const [next] = underWay;
    if (next) setTimeout(arrive, Math.max(0, next.at - performance.now()));
  };
  const arrive = () => {
    // A timer may be a fraction of a millisecond early.
    while (underWay[0] && underWay[0].at <= performance.now() + 0.5) {
      const octets = underWay.shift()?.octets;
      bytes -= octets?.length ?? 0;
      if (octets === undefined) to.end();
      else if (to.writable) to.write(octets);
    }
    if (bytes <= UNDER_WAY_BYTES_MAX) from.resume();
    wait();
  };
  from.on("data", send);
  from.on("end", () => send(undefined));
}

async function main() {
  const { values } = parseArgs({
    options: {
      target: { type: "string", default: "127.0.0.1:9000" },
      rtt: { type: "string", default: "100" },
      port: { type: "string", default: "0" },
    },
  });
  const [host = "", port] = values.target.split(":");
  const proxy = await startDelayProxy({
    target: { host, port: Number(port) },
    rttMs: Number(values.rtt),
    port: Number(values.port),
  });
  console.log(`127.0.0.1:${proxy.port} is ${values.target}, ${values.rtt} ms there and back`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
