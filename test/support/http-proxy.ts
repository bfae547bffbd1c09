/** A reverse proxy that treats a server's answers and upgrades as some proxies do. */
import { createServer, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** What the proxy does. */
export interface ProxyHabits {
  /** An upgrade is answered 403, or never answered. */
  readonly upgrades: "refused" | "swallowed";
  /** Answers are sent on as they come, or when they are whole. */
  readonly answers: "streamed" | "buffered";
}

/** A running proxy. */
export interface HttpProxy extends AsyncDisposable {
  readonly port: number;
  /** The paths of the requests whose answer has not ended for `ms` now. */
  waiting(ms: number): string[];
  /** Breaks every connection. */
  cut(): void;
}

/** Starts a proxy in front of `port`; both are at `host`. */
export async function startHttpProxy(port: number, habits: ProxyHabits, host = "127.0.0.1"): Promise<HttpProxy> {
  const open = new Map<ServerResponse, { readonly path: string; readonly since: number }>();
  const sockets = new Set<Socket>();
  const server: Server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    open.set(outgoing, { path: url ?? "", since: performance.now() });
    outgoing.on("close", () => open.delete(outgoing));
    const onward = request({ host, port, method, path: url, headers }, (answer) => {
      const parts: Buffer[] = [];
      const head = () => outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers });
      if (habits.answers === "streamed") head().flushHeaders();
      answer.on("data", (part: Buffer) => (habits.answers === "streamed" ? outgoing.write(part) : parts.push(part)));
      answer.on("end", () => {
        if (habits.answers === "buffered") head();
        outgoing.end(Buffer.concat(parts));
      });
      answer.on("error", () => outgoing.destroy());
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    outgoing.on("error", () => onward.destroy());
    incoming.pipe(onward);
  });
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => socket.destroy());
    if (habits.upgrades === "refused") socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((listening) => server.listen(0, host, listening));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    waiting: (ms) => {
      const before = performance.now() - ms;
      return [...open.values()].filter(({ since }) => since <= before).map(({ path }) => path);
    },
    cut,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      cut();
      await closed;
    },
  };
}
