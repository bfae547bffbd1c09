/** A TCP proxy on a free port of loopback that does to its connections what networks do. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/**
 * pass: octets travel. stall: nothing travels, and nothing is lost: it goes on when the mode changes. swallow: a new
 * connection is accepted, and whatever comes over it is thrown away. reset: a new connection is accepted and reset.
 */
export type ProxyMode = "pass" | "stall" | "swallow" | "reset";

interface Pair {
  readonly near: Socket;
  readonly far: Socket | undefined;
  /** The first that its client said. */
  said: string;
}

/** One proxy; make it with {@link startProxy}. */
export class FaultyProxy {
  /** How many connections {@link destroyAll} has destroyed. */
  destroyed = 0;
  /** How many connections were accepted. */
  accepted = 0;
  /** How long each piece travels, each way. */
  delayMs = 0;
  /** A connection on which a client says such a thing is reset. */
  forbids: (said: string) => boolean = () => false;
  private port_ = 0;
  private mode_: ProxyMode = "pass";
  private readonly pairs = new Set<Pair>();
  private server: Server | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private targetPort: number) {}

  /** The port that clients use; it stays the same through {@link refuse} and {@link listen}. */
  get port(): number {
    return this.port_;
  }

  /** Where new connections lead from now on. */
  aimAt(targetPort: number): void {
    this.targetPort = targetPort;
  }

  set mode(mode: ProxyMode) {
    this.mode_ = mode;
    for (const { near, far } of this.pairs) {
      for (const socket of [near, far]) if (mode === "stall") socket?.pause();
      for (const socket of [near, far]) if (mode === "pass") socket?.resume();
    }
  }

  /** Nothing travels on the oldest connection that said such a thing, and nothing is lost. Returns how to go on. */
  stallOldest(saying: (said: string) => boolean): () => void {
    const pair = [...this.pairs].find(({ said }) => saying(said));
    if (pair === undefined) throw new Error("no connection has said such a thing");
    for (const socket of [pair.near, pair.far]) socket?.pause();
    return () => {
      for (const socket of [pair.near, pair.far]) socket?.resume();
    };
  }

  /** How many connections are there that said such a thing at first. */
  count(saying: (said: string) => boolean): number {
    return [...this.pairs].filter(({ said }) => saying(said)).length;
  }

  /** Takes connections (again). */
  async listen(): Promise<void> {
    this.server = createServer((near) => this.accept(near));
    this.server.listen(this.port_, "127.0.0.1");
    await once(this.server, "listening");
    this.port_ = (this.server.address() as AddressInfo).port;
  }

  /** Nobody listens at the port any more: connections are refused, those that exist are destroyed. */
  async refuse(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.destroyAll();
    if (server?.listening) await new Promise((resolve) => server.close(resolve));
  }

  /** Destroys every connection now: by turns with a reset and with an end, as networks and programs do. */
  destroyAll(): void {
    for (const { near, far } of this.pairs) {
      this.destroyed += 1;
      const isReset = this.destroyed % 2 === 0;
      for (const socket of [near, far]) {
        if (isReset) socket?.resetAndDestroy();
        else socket?.destroy();
      }
    }
    this.pairs.clear();
  }

  /** Destroys every connection each `everyMs` until it is called with undefined. */
  destroyEach(everyMs: number | undefined): void {
    clearInterval(this.timer);
    this.timer = everyMs === undefined ? undefined : setInterval(() => this.destroyAll(), everyMs);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.destroyEach(undefined);
    await this.refuse();
  }

  private accept(near: Socket): void {
    this.accepted += 1;
    near.on("error", () => near.destroy());
    if (this.mode_ === "reset") {
      near.resetAndDestroy();
      return;
    }
    if (this.mode_ === "swallow") {
      this.keep({ near, far: undefined, said: "" });
      near.resume();
      return;
    }
    // Half-open: an end is passed on like everything else, after the octets before it.
    const far = dial({ port: this.targetPort, host: "127.0.0.1", allowHalfOpen: true });
    far.on("error", () => near.destroy());
    near.setNoDelay(true);
    far.setNoDelay(true);
    const pair = { near, far, said: "" };
    this.keep(pair);
    near.on("data", (octets) => {
      const said = octets.toString("latin1");
      pair.said ||= said;
      if (this.forbids(said)) near.resetAndDestroy();
    });
    this.pipe(near, far);
    this.pipe(far, near);
    if (this.mode_ === "stall") for (const socket of [near, far]) socket.pause();
  }

  private keep(pair: Pair): void {
    this.pairs.add(pair);
    pair.near.once("close", () => {
      this.pairs.delete(pair);
      pair.far?.destroy();
    });
  }

  private pipe(from: Socket, to: Socket): void {
    // Timers of one length fire in the order they were set, so a delay keeps the order.
    const later = (run: () => void) => {
      if (this.delayMs > 0) setTimeout(run, this.delayMs);
      else run();
    };
    from.on("data", (octets) => later(() => to.writable && to.write(octets)));
    from.on("end", () => later(() => to.end()));
    from.on("close", () => later(() => to.destroy()));
  }
}

/** A proxy in front of `targetPort`, closed at the end of the test. */
export async function startProxy(targetPort: number): Promise<FaultyProxy> {
  const proxy = new FaultyProxy(targetPort);
  await proxy.listen();
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A port of loopback at which nobody listens, and probably nobody will for a while. */
export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
