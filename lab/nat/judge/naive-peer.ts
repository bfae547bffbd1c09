/**
 * The control: calls over a bare WebSocket that connects again and forgets. The judge must find it guilty wherever
 * a fault bites; where even this one passes, the scenario proves nothing.
 */
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { executed, machineNow, makeCalls, write } from "./ledger.js";
import type { Peer } from "./peer.js";

const RECONNECT_MS = 500;
const HEARTBEAT_MS = 2_000;

type Message = { call: number; client: string } | { answer: number } | { hello: string };

class Conversation {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve: (n: number) => void; reject: (error: Error) => void }>();
  #heard = machineNow();

  constructor(socket: WebSocket, take: (n: number, client: string) => void, hello: (client: string) => void) {
    this.#socket = socket;
    socket.on("message", (text) => {
      this.#heard = machineNow();
      const message: Message = JSON.parse(String(text));
      if ("hello" in message) hello(message.hello);
      else if ("answer" in message) this.#answer(message.answer);
      else {
        take(message.call, message.client);
        socket.send(JSON.stringify({ answer: message.call }));
      }
    });
    socket.on("pong", () => {
      this.#heard = machineNow();
    });
    const heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS / 2);
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearInterval(heartbeat);
      for (const { reject } of this.#waiting.values()) reject(lost());
      this.#waiting.clear();
    });
  }

  call(n: number, client: string): Promise<number> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(lost());
    this.#socket.send(JSON.stringify({ call: n, client }));
    return new Promise((resolve, reject) => this.#waiting.set(n, { resolve, reject }));
  }

  #answer(n: number): void {
    this.#waiting.get(n)?.resolve(n);
    this.#waiting.delete(n);
  }

  #beat(): void {
    if (machineNow() - this.#heard > 2 * HEARTBEAT_MS) this.#socket.terminate();
    else if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }
}

function lost(): Error {
  return Object.assign(new Error("the connection was lost"), { code: "connection_lost" });
}

/** See {@link Peer}. */
export const naivePeer: Peer = {
  serve(url, load) {
    const { hostname, port } = new URL(url);
    const httpServer = createServer();
    const current = new Map<string, Conversation>();
    new WebSocketServer({ server: httpServer }).on("connection", (socket) => {
      const conversation = new Conversation(
        socket,
        (n, client) => executed(client, "up", n),
        (client) => {
          write({ kind: "session", client, at: machineNow() });
          const isFirst = !current.has(client);
          current.set(client, conversation);
          const call = (n: number) => current.get(client)?.call(n, client) ?? Promise.reject(lost());
          if (isFirst) makeCalls({ client, direction: "down" }, load, call);
        },
      );
    });
    return new Promise((resolve) => httpServer.listen(Number(port), hostname, resolve));
  },
  connect(url, client, load) {
    let conversation: Conversation | undefined;
    const open = () => {
      const socket = new WebSocket(url.replace("http", "ws"));
      socket.on("open", () => {
        conversation = new Conversation(
          socket,
          (n) => executed(client, "down", n),
          () => undefined,
        );
        socket.send(JSON.stringify({ hello: client }));
      });
      socket.on("error", () => undefined);
      socket.on("close", () => setTimeout(open, RECONNECT_MS));
    };
    open();
    makeCalls({ client, direction: "up" }, load, (n) => conversation?.call(n, client) ?? Promise.reject(lost()));
  },
};
