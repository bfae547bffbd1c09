/**
 * The connections of a Node process to one origin, shared by all its links there. A request does not belong to the
 * connection that was opened for it: it takes the first that is ready, and its body is asked for in that moment, so
 * that it carries what was said meanwhile.
 *
 * Where a connection takes long to be there, each later one would cost another round trip just when it is wanted: then
 * some are opened beside it. On a quick network that never happens, and nothing is opened that is not needed.
 */
import { Agent, type RequestOptions } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { urlToHttpOptions } from "node:url";
import { type Clock, systemClock } from "../base/clock.js";
import { remembered } from "../base/remembered.js";

/** A connection that is not there after this long is one to a far server. */
export const FAR_MS = 100;
/** How many are opened beside it: one for an upgrade, and three for requests that follow each other. */
export const SPARES = 4;
/** One that nobody has used is closed after this long; a far session has found its link by then. */
const UNUSED_MS = 2_000;
/** One that was used waits this long for the next request: less than the 5 s that servers made of Node wait. */
const USED_MS = 4_000;

/** Who waits for a connection. */
interface Waiter {
  /** One is ready: it is there for whoever asks {@link Connections.agent} now. */
  readonly begin: () => void;
  readonly fail: (error: Error) => void;
}

/** How a connection is opened; `opened` is called once it takes data. */
export type OpenSocket = (opened: () => void) => Socket;

const origins = new Map<string, Connections>();

/** The connections to the origin of `url`: http(s) or ws(s). */
export function connectionsTo(url: URL): Connections {
  const isSecure = url.protocol === "https:" || url.protocol === "wss:";
  const origin = `${isSecure} ${url.host}`;
  return remembered(origins, origin, () => {
    const agent = isSecure ? new SecureAgent(settings) : new Agent(settings);
    return new Connections(agent, opener(url, isSecure));
  });
}

const settings = { keepAlive: true } as const;

function opener(url: URL, isSecure: boolean): OpenSocket {
  const host = urlToHttpOptions(url).hostname ?? "";
  const port = Number(url.port || (isSecure ? 443 : 80));
  if (!isSecure) return (opened) => connect({ host, port, noDelay: true }).once("connect", opened);
  const servername = isIP(host) === 0 ? host : "";
  return (opened) => connectSecurely({ host, port, servername }, opened).setNoDelay(true);
}

/** The connections to one origin. */
export class Connections {
  /** Ready and never used, the oldest first. */
  private readonly unused: Socket[] = [];
  /** On their way, the oldest first. */
  private readonly opening: Socket[] = [];
  private readonly waiting: Waiter[] = [];
  private isMeasured = false;
  /** How long the last connection took if that was long, else 0. What makes this process slow: see `inputsFirst`. */
  farMs = 0;

  constructor(
    /** Keeps the connections that were used, and lends whichever is ready. */
    readonly agent: Agent,
    private readonly open: OpenSocket,
    private readonly clock: Clock = systemClock,
  ) {
    const lender = agent as Agent & { createConnection(options: RequestOptions): Socket };
    lender.createConnection = () => this.take();
    agent.keepSocketAlive = (socket) => {
      (socket as Socket).unref().setTimeout(USED_MS);
      // In a moment it is the agent's to lend.
      process.nextTick(() => this.serve());
      return true;
    };
    const reuse = agent.reuseSocket;
    agent.reuseSocket = (socket, request) => {
      (socket as Socket).setTimeout(0);
      reuse.call(agent, socket, request);
    };
  }

  /** A connection that nobody has used yet; if there is none that is ready, one that is on its way. */
  take(): Socket {
    return this.takeUnused() ?? this.open(() => {});
  }

  /** Calls `begin` once when a connection is ready, or `fail` when there will be none. Returns how to stop waiting. */
  whenReady(begin: () => void, fail: (error: Error) => void): () => void {
    const waiter = { begin, fail };
    this.waiting.push(waiter);
    if (!this.isReady) this.openFor();
    // Not from inside of this call.
    else process.nextTick(() => this.serve());
    return () => {
      const index = this.waiting.indexOf(waiter);
      if (index >= 0) this.waiting.splice(index, 1);
      this.trim();
    };
  }

  /** A request was given up, or broke: connections that wait for a next one may be as dead as its own was. */
  distrust(): void {
    for (const free of Object.values(this.agent.freeSockets)) for (const socket of [...(free ?? [])]) socket.destroy();
    for (const socket of this.unused.splice(0)) socket.destroy();
  }

  private get isReady(): boolean {
    const kept = Object.values(this.agent.freeSockets).some((free) => free?.some(isUsable));
    return kept || this.unused.some(isUsable);
  }

  private serve(): void {
    while (this.waiting.length > 0 && this.isReady) this.waiting.shift()?.begin();
    // What was ready for one of them is gone.
    while (this.opening.length < this.waiting.length) this.openFor();
  }

  private openFor(): void {
    this.isMeasured &&= this.opening.length > 0;
    let isFar = false;
    const socket = this.openOne(() => isFar);
    const cancel = this.clock.after(FAR_MS, () => {
      isFar = true;
      while (this.unused.length + this.opening.length < this.waiting.length + SPARES) this.openOne(() => true).unref();
    });
    // Whatever comes first: it is there, or it will never be.
    socket.once("close", cancel).once("connect", cancel);
  }

  /** The first of several that are on their way tells how far it is; of the others one may have lost a packet. */
  private measured(tookMs: number): void {
    const farMs = tookMs >= FAR_MS ? tookMs : 0;
    this.farMs = this.isMeasured ? Math.min(this.farMs, farMs) : farMs;
    this.isMeasured = true;
  }

  /** `isFar`: it has not been there at once, and not because this process was busy. */
  private openOne(isFar: () => boolean): Socket {
    let startedAt = this.clock.monotonicMs();
    const begin = () => {
      startedAt = this.clock.monotonicMs();
    };
    const socket = this.open(() => {
      this.isOver(socket);
      socket.off("error", failed).on("error", () => {});
      this.keepUnused(socket);
      this.serve();
    });
    const failed = (error: Error) => {
      this.isOver(socket);
      // As long as there is one on its way for each, nobody has to be told.
      if (this.opening.length < this.waiting.length) this.waiting.shift()?.fail(error);
    };
    // The name has been resolved, another address is tried: what counts is TCP's own handshake.
    socket.on("lookup", begin).on("connectionAttempt", begin);
    // Before anybody is told that it is there, who may ask how far it is.
    socket.prependOnceListener("connect", () => this.measured(isFar() ? this.clock.monotonicMs() - startedAt : 0));
    socket.once("error", failed);
    this.opening.push(socket);
    return socket;
  }

  private isOver(socket: Socket): void {
    const index = this.opening.indexOf(socket);
    if (index >= 0) this.opening.splice(index, 1);
  }

  private keepUnused(socket: Socket): void {
    this.unused.push(socket);
    socket.unref();
    setTimeout(() => {
      if (this.drop(socket)) socket.destroy();
    }, UNUSED_MS).unref();
  }

  private takeUnused(): Socket | undefined {
    for (;;) {
      const socket = this.unused.shift();
      if (socket === undefined || isUsable(socket)) return socket?.ref();
    }
  }

  private drop(socket: Socket): boolean {
    const index = this.unused.indexOf(socket);
    if (index >= 0) this.unused.splice(index, 1);
    return index >= 0;
  }

  /** Attempts that were given up leave connections behind that may still come; where the network swallows them, few. */
  private trim(): void {
    while (this.opening.length > this.waiting.length + SPARES) this.opening.shift()?.destroy();
    // They are no reason for this process to stay.
    if (this.waiting.length === 0) for (const socket of this.opening) socket.unref();
  }
}

function isUsable(socket: Socket): boolean {
  return !socket.destroyed && socket.writable && socket.readable;
}
