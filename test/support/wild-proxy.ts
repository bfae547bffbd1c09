/**
 * An HTTP proxy for which a request is a letter: each goes over a connection of its own, some later than those behind
 * them, some twice, and of some the answer breaks off on its way back.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Random } from "../sim/random.js";

/** How many things the proxy has done. */
export interface WildCounts {
  late: number;
  twice: number;
  broken: number;
}

/** How late a request, or its copy, is at most. */
const LATE_MS = 25;
const SHARE = 0.3;

/** One proxy in front of a port of loopback. */
export class WildProxy {
  readonly counts: WildCounts = { late: 0, twice: 0, broken: 0 };
  private readonly random = new Random(1, "wild proxy");
  private readonly server: Server;
  /** The requests that were harmed: a second time they get through, as they would in a network that works at all. */
  private readonly harmed = new Set<string>();

  private constructor(private readonly targetPort: number) {
    this.server = createServer(async (incoming, outgoing) => {
      const pieces: Buffer[] = [];
      for await (const piece of incoming) pieces.push(piece);
      this.pass(incoming, Buffer.concat(pieces), outgoing);
    });
    this.server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
  }

  static async start(targetPort: number): Promise<WildProxy> {
    const proxy = new WildProxy(targetPort);
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Destroys everything. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private pass(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse): void {
    const send = (answer: ServerResponse | undefined) => this.send(incoming, body, answer);
    const isNew = !this.harmed.has(body.toString("latin1"));
    this.harmed.add(body.toString("latin1"));
    if (!isNew || !this.random.chance(SHARE)) return send(outgoing);
    const what = this.random.pick(["late", "twice", "twice", "broken"] as const);
    this.counts[what] += 1;
    const later = (answer: ServerResponse | undefined) =>
      void setTimeout(send, this.random.between(0, LATE_MS), answer);
    if (what === "late") return later(outgoing);
    if (what === "broken") {
      send(outgoing);
      outgoing.once("pipe", () => setTimeout(() => outgoing.destroy(), this.random.between(0, LATE_MS)));
      return;
    }
    // The client is sent the answer of one of the two, and nobody knows which of them arrives first.
    const [first, second] = this.random.chance(0.5) ? [outgoing, undefined] : [undefined, outgoing];
    later(first);
    later(second);
  }

  /** Sends a request onward; without somebody to answer, what is answered is read and forgotten. */
  private send({ method, url, headers }: IncomingMessage, body: Buffer, outgoing: ServerResponse | undefined): void {
    const target = { host: "127.0.0.1", port: this.targetPort, agent: false };
    const onward = request({ ...target, method, path: url, headers }, (answer) => {
      answer.on("error", () => outgoing?.destroy());
      if (outgoing === undefined) return void answer.resume();
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing?.destroy());
    outgoing?.once("close", () => onward.destroy());
    onward.end(body);
  }
}
