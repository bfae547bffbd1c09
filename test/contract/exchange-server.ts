/** A small HTTP server with http-exchange links, and with everything that may happen to a request on its way. */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../src/base/clock.js";
import type { ExchangeFrame } from "../../src/frame/control.js";
import { decodeFrames, encodeFrame, frameLengthAt } from "../../src/frame/frame.js";
import type { Link, LinkEvents } from "../../src/frame/link.js";
import { AcceptedExchangeLink, type ExchangeAnswer } from "../../src/link/http-exchange-server.js";

/** What happens to requests and answers: every so-manieth, 0 for none. */
export interface ExchangeFaults {
  /** A request reaches the link only after the one behind it. */
  readonly lateEach: number;
  /** A request reaches the link a second time. */
  readonly twiceEach: number;
  /** An answer's connection breaks after its first octets. */
  readonly lostEach: number;
}

/** No faults. */
export const noFaults: ExchangeFaults = { lateEach: 0, twiceEach: 0, lostEach: 0 };

/** One server with one link. */
export class ExchangeServer {
  requests = 0;
  readonly far: Promise<Link>;
  private readonly server: Server;
  private link: AcceptedExchangeLink | undefined;
  private isForgotten = false;
  private acceptedLink: (link: Link) => void = () => {};

  constructor(
    private readonly events: LinkEvents,
    private readonly faults: ExchangeFaults,
  ) {
    this.far = new Promise((resolve) => {
      this.acceptedLink = resolve;
    });
    this.server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      this.receive(new Uint8Array(Buffer.concat(pieces)), response);
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/WAO.1`;
  }

  /** Destroys everything. */
  cut(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private receive(body: Uint8Array, response: ServerResponse): void {
    this.requests += 1;
    const { requests, faults } = this;
    const length = frameLengthAt(body, 0) ?? 0;
    let head: ExchangeFrame | undefined;
    decodeFrames(body.subarray(0, length), (frame) => {
      if (frame.type === "exchange") head = frame;
    });
    if (head === undefined) return void response.writeHead(400).end();
    const [known, rest] = [head, body.subarray(length)];
    const happens = (each: number) => each > 0 && requests % each === 0;
    const answer = new Answer(response, happens(faults.lostEach));
    const deliver = () => this.deliver(known, rest, answer);
    if (happens(faults.lateEach)) setTimeout(deliver, 15);
    else deliver();
    // A copy that the network made: nobody reads what it is answered.
    if (happens(faults.twiceEach)) setTimeout(() => this.link?.request(known, rest, nobody), 5);
  }

  private deliver(head: ExchangeFrame, frames: Uint8Array, answer: Answer): void {
    if (this.link === undefined) {
      this.link = new AcceptedExchangeLink(systemClock, head.link, () => {
        this.isForgotten = true;
      });
      this.link.listen(this.events);
      this.acceptedLink(this.link);
    }
    const { link } = this;
    if (this.isForgotten || !link.request(head, frames, answer)) return answer.refuse();
    answer.response.once("close", () => link.aborted(answer));
  }
}

const nobody: ExchangeAnswer = { queuedBytes: 0, write: () => {}, end: () => {} };

class Answer implements ExchangeAnswer {
  constructor(
    readonly response: ServerResponse,
    private readonly isLost: boolean,
  ) {}

  get queuedBytes(): number {
    return this.response.writableLength;
  }

  write(octets: Uint8Array): void {
    const { response } = this;
    if (response.writableEnded || response.destroyed) return;
    if (!response.headersSent) response.writeHead(200, { "content-type": "application/octet-stream" });
    response.write(octets);
    if (this.isLost) setTimeout(() => response.destroy(), 5);
  }

  end(): void {
    const { response } = this;
    if (!response.headersSent) response.writeHead(200, { "content-type": "application/octet-stream" });
    response.end();
  }

  refuse(): void {
    const { response } = this;
    if (response.headersSent || response.destroyed) return;
    response.writeHead(404, { "content-type": "application/octet-stream" });
    response.end(encodeFrame({ type: "refused", code: "session_unknown", message: "no such link" }));
  }
}
