/**
 * Takes from an HTTP server what belongs to us, and leaves it everything else (D36): whatever listeners it has for
 * requests and upgrades, added before or after, never see what is ours, and always see what is theirs.
 */
import { type Server as HttpServer, type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** What is claimed, and what becomes of it. */
export interface Claim {
  /** Whether a request belongs to us. */
  readonly isOurs: (request: IncomingMessage) => boolean;
  readonly request: (request: IncomingMessage, response: ServerResponse) => void;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** Puts `claim` before the listeners of `httpServer`; returns what takes it away again. */
export function claimRequests(httpServer: HttpServer, claim: Claim): () => void {
  const emit = httpServer.emit;
  let active = true;
  // Node upgrades only when somebody listens for it, so we must; what is ours never reaches this listener.
  const foreignUpgrade = (request: IncomingMessage, socket: Duplex) => {
    if (httpServer.listenerCount("upgrade") === 1) ignoreUpgrade(httpServer, request, socket);
  };

  function emitUnlessClaimed(this: HttpServer, event: string | symbol, ...values: unknown[]): boolean {
    const request = values[0] as IncomingMessage;
    const upgrade = event === "upgrade";
    const ours = upgrade || event === "request" || event === "checkContinue" || event === "checkExpectation";
    if (!active || !ours || !claim.isOurs(request)) return Reflect.apply(emit, this, [event, ...values]);
    if (upgrade) {
      claim.upgrade(request, values[1] as Duplex, values[2] as Buffer);
      return true;
    }
    const response = values[1] as ServerResponse;
    if (event === "checkContinue") response.writeContinue();
    claim.request(request, response);
    return true;
  }

  httpServer.emit = emitUnlessClaimed as HttpServer["emit"];
  httpServer.on("upgrade", foreignUpgrade);
  return () => {
    active = false;
    httpServer.off("upgrade", foreignUpgrade);
    // Somebody else may have put theirs on top since: then ours stays below it and lets everything through.
    if (httpServer.emit === (emitUnlessClaimed as HttpServer["emit"])) httpServer.emit = emit;
  };
}

/**
 * A request with an Upgrade header that nobody but us would have noticed is an ordinary request: a server may ignore
 * the wish, and without us Node would have. (An example is curl --http2, which offers h2c to everyone.)
 */
function ignoreUpgrade(httpServer: HttpServer, request: IncomingMessage, socket: Duplex): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as IncomingMessage["socket"]);
  response.once("finish", () => {
    response.detachSocket(socket as IncomingMessage["socket"]);
    socket.end();
  });
  socket.on("error", () => socket.destroy());
  httpServer.emit("request", request, response);
}
