/**
 * The requests of http-exchange links (D10). Each shows the key, so that each may be the first to arrive; the link it
 * belongs to is found by the name that the client made for it.
 */
import { DuowireError } from "../base/errors.js";
import type { ExchangeFrame } from "../frame/control.js";
import { encodeFrame } from "../frame/frame.js";
import { AcceptedExchangeLink, type ExchangeAnswer } from "../link/http-exchange-server.js";
import { REQUESTS_AT_ONCE_MAX } from "../link/post.js";
import { answerHeaders, type Exchange, sendAnswer } from "./exchange.js";
import { processFor } from "./holder.js";
import { sessionUnknown } from "./refusals.js";
import { readFirstFrame } from "./request-reading.js";

/** `POST` of a body that begins with EXCHANGE, at the address of a process. */
export async function answerExchange(exchange: Exchange, id: string, body: Buffer): Promise<void> {
  const { core } = exchange;
  const { head, rest } = readExchange(body);
  const process = await processFor(core, id, head?.key);
  if (head === undefined) throw sessionUnknown();
  const name = `${id} ${Buffer.from(head.link).toString("hex")}`;
  let link = core.exchangeLinks.get(name);
  if (link === undefined) {
    // A link that is new has not got beyond what may be under way at once.
    if (head.number > REQUESTS_AT_ONCE_MAX) return refuseLink(exchange);
    link = new AcceptedExchangeLink(core.settings.clock, head.link, () => core.exchangeLinks.delete(name));
    core.exchangeLinks.set(name, link);
    process.accept(link);
  }
  const answer = new HttpAnswer(exchange);
  if (!link.request(head, rest, answer)) return refuseLink(exchange);
  exchange.response.once("close", () => link.aborted(answer));
}

/**
 * The link is dead, the session is not: its client attaches anew, or has done so. Requests cross that change on each
 * busy session, so it is said with 200: browsers print any other status into the console of their user.
 */
function refuseLink(exchange: Exchange): void {
  const message = "this link is dead; whether the session lives, an attach over another one tells";
  const frame = encodeFrame({ type: "refused", code: "attach_stale", message });
  sendAnswer(exchange, 200, { "content-type": "application/octet-stream" }, frame);
}

/** A malformed head is a head without a key: it must not be told from one. */
function readExchange(body: Buffer): { head: ExchangeFrame | undefined; rest: Uint8Array } {
  try {
    const { first, rest } = readFirstFrame(body);
    return { head: first?.type === "exchange" ? first : undefined, rest };
  } catch (error) {
    if (error instanceof DuowireError) return { head: undefined, rest: body };
    throw error;
  }
}

class HttpAnswer implements ExchangeAnswer {
  constructor(private readonly exchange: Exchange) {}

  get queuedBytes(): number {
    return this.exchange.response.writableLength;
  }

  write(octets: Uint8Array): void {
    const { response } = this.exchange;
    if (response.writableEnded || response.destroyed) return;
    this.writeHead();
    response.write(octets);
  }

  end(): void {
    const { response } = this.exchange;
    if (response.writableEnded || response.destroyed) return;
    this.writeHead();
    response.end();
  }

  private writeHead(): void {
    const { response } = this.exchange;
    if (!response.headersSent) {
      response.writeHead(200, {
        ...answerHeaders(this.exchange),
        "content-type": "application/octet-stream",
        // nginx would otherwise hold a streaming answer back until it ends.
        "x-accel-buffering": "no",
      });
    }
  }
}
