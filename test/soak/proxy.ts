/** A TCP proxy that lets single connections meet what networks do to them; who hears of it differs. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";
import type { Random } from "../sim/random.js";

/**
 * reset: both ends are told. rebound: the client is told, and comes back from another port; the server hears nothing.
 * forgotten: the server is told, the client hears nothing. cut: nobody is told.
 */
export const soakFaults = ["reset", "rebound", "forgotten", "cut"] as const;
/** One of {@link soakFaults}. */
export type SoakFault = (typeof soakFaults)[number];

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Something has travelled since the last look: it carries a session, and is no spare connection of a pool. */
  isUsed: boolean;
}

/** An end that was told nothing keeps its connection for so long at most: what it sends is swallowed. */
const FORGET_MS = 30_000;

/** The proxy; make it with {@link SoakProxy.start}. */
export class SoakProxy {
  /** How often each fault happened. */
  readonly happened: Record<SoakFault, number> = { reset: 0, rebound: 0, forgotten: 0, cut: 0 };
  private readonly pairs = new Set<Pair>();
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(targetPort: number) {
    // Half-open: an end is passed on like everything else, after the octets before it.
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = dial({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      this.join({ near, far, isUsed: false });
    });
  }

  /** A proxy in front of a port of loopback. */
  static async start(targetPort: number): Promise<SoakProxy> {
    const proxy = new SoakProxy(targetPort);
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Lets `share` (0 to 1) of the connections in use meet a fault each. */
  strike(share: number, random: Random): void {
    for (const pair of this.pairs) {
      if (!pair.isUsed) continue;
      pair.isUsed = false;
      if (random.chance(share)) this.harm(pair, random.pick(soakFaults));
    }
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private join(pair: Pair): void {
    const { near, far } = pair;
    this.pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on("data", (octets) => {
        pair.isUsed = true;
        to.write(octets);
      });
      from.on("end", () => to.end());
      from.on("error", () => from.destroy());
      from.on("close", () => {
        this.sockets.delete(from);
        if (this.pairs.delete(pair)) to.destroy();
      });
    }
  }

  private harm(pair: Pair, fault: SoakFault): void {
    const { near, far } = pair;
    this.happened[fault] += 1;
    this.pairs.delete(pair);
    if (fault === "reset" || fault === "rebound") near.resetAndDestroy();
    else hush(near);
    if (fault === "reset" || fault === "forgotten") far.resetAndDestroy();
    else hush(far);
  }
}

/** Nothing comes out of this connection any more, and what is sent into it is swallowed. */
function hush(socket: Socket): void {
  socket.removeAllListeners("data").removeAllListeners("end");
  socket.on("end", () => socket.destroy());
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), FORGET_MS);
  socket.once("close", () => clearTimeout(timer));
}
