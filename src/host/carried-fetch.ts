/**
 * Hypertext of a process that runs elsewhere: the request crosses as its head and a flow of its body, the answer the
 * same way back. Streams stay streams, slow readers slow the writer, and whoever goes away is noticed at the other end.
 */
import { deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import type { CarriedRequest, CarriedResponse } from "./carrier-messages.js";
import type { Flow } from "./flow.js";
import { BODY_BYTES_MAX, BodyReceiver, BodySender } from "./flow-body.js";

/** Statuses whose answers have no body, and may not be given one. */
const BODILESS = new Set([204, 205, 304]);

/** The status of an answer that nobody is there to see. */
const CLIENT_GONE = 499;

/** The head of a request. */
export function headOf({ method, url, headers }: Request): CarriedRequest {
  return { method, url, headers: [...headers] };
}

/** How many octets of a request may wait for the process: its head, and as much of its body as ever waits. */
export function waitingBytesOf({ url, headers, body }: Request): number {
  let bytes = url.length;
  for (const [name, value] of headers) bytes += name.length + value.length;
  if ((body ?? null) === null) return bytes;
  // What has no length is as long as can be.
  return bytes + Math.min(Number(headers.get("content-length") ?? BODY_BYTES_MAX) || 0, BODY_BYTES_MAX);
}

/** A request on its way, in the server's process. */
export class CarriedFetch {
  private readonly sender: BodySender;
  private readonly receiver: BodyReceiver;
  private readonly answer = deferred<Response>();

  constructor(
    private readonly flow: Flow,
    private readonly request: Request,
    /** The process is done with it: nothing of it waits any more. */
    over: () => void,
  ) {
    this.sender = new BodySender(flow, request.body ?? null);
    this.receiver = new BodyReceiver(flow, () => this.leave());
    flow.listen({
      receive: (octets) => this.receiver.receive(octets),
      drained: () => this.sender.drained(),
      stopped: (reason) => this.sender.stop(reason),
      finished: (reason, end) => {
        this.answer.reject(new DuowireError("process_crashed", reason, { side: "local" }));
        this.sender.stop("the request was answered");
        this.receiver.finished(reason, end);
        over();
      },
    });
  }

  /** The answer, as soon as its head is here; rejects `process_crashed` when the process ends before. */
  run(): Promise<Response> {
    this.request.signal?.addEventListener("abort", () => this.leave(), { once: true });
    void this.sender.run();
    return this.answer.promise;
  }

  /** The head of the answer came. */
  answered({ status, statusText, headers, hasBody }: CarriedResponse): void {
    const body = hasBody ? (this.receiver.stream as ReadableStream<Uint8Array<ArrayBuffer>>) : null;
    this.answer.resolve(new Response(body, { status, statusText, headers: [...headers] as [string, string][] }));
  }

  /** The client went away: nobody will see what is answered now. */
  private leave(): void {
    this.answer.resolve(new Response(null, { status: CLIENT_GONE }));
    this.flow.stop("the client went away");
    this.sender.stop("the client went away");
  }
}

/**
 * Answers one request, in the carrier. `serve` does not reject, and its answer can be sent (service-answer.ts); `post`
 * sends the head of the answer.
 */
export async function answerFetch(
  flow: Flow,
  { request: head, hasBody }: { readonly request: CarriedRequest; readonly hasBody: boolean },
  serve: (request: Request) => Promise<Response>,
  post: (response: CarriedResponse) => void,
): Promise<void> {
  const abort = new AbortController();
  const receiver = new BodyReceiver(flow, () => flow.stop("the service reads no more"));
  let sender: BodySender | undefined;
  const stop = (reason: string) => {
    abort.abort(new Error(reason));
    if (sender === undefined) flow.finish(reason, "aborted");
    else sender.stop(reason);
  };
  flow.listen({
    receive: (octets) => receiver.receive(octets),
    drained: () => sender?.drained(),
    finished: (reason, end) => receiver.finished(reason, end),
    stopped: stop,
  });
  const request = requestOf(head, hasBody ? receiver.stream : null, abort.signal);
  const { status, statusText, headers, body } = await (request === undefined
    ? new Response("this method cannot be carried\n", { status: 501 })
    : serve(request));
  const isSent = body !== null && head.method !== "HEAD" && !BODILESS.has(status) && !flow.isFinished;
  if (!isSent) await body?.cancel().catch(() => undefined);
  if (flow.isFinished) return;
  post({ status, statusText, headers: [...headers], hasBody: isSent });
  sender = new BodySender(flow, isSent ? body : null);
  await sender.run();
}

/** Undefined for what fetch has no requests for, such as TRACE. */
function requestOf(head: CarriedRequest, body: ReadableStream | null, signal: AbortSignal): Request | undefined {
  const { method, url, headers } = head;
  const init = { method, headers: [...headers] as [string, string][], signal, body, duplex: "half" };
  try {
    return new Request(url, init as RequestInit);
  } catch {
    return undefined;
  }
}
