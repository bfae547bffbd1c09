/** The requests to a service's pages that are under way: a process that drains lets them end. */

/** Counts requests, each until the last octet of its answer was taken, or nobody wants it any more. */
export class OpenRequests {
  /** How many are under way. */
  count = 0;

  /** `ended` is called each time that one has ended. */
  constructor(private readonly ended: () => void) {}

  /** Has `answer` make the answer to `request`, and gives it on. Rejects as that does. */
  async run(request: Request, answer: () => Promise<Response>): Promise<Response> {
    this.count += 1;
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      this.count -= 1;
      this.ended();
    };
    try {
      const response = await answer();
      const { body } = response;
      if (body === null || request.method === "HEAD") over();
      else request.signal.addEventListener("abort", over, { once: true });
      return isOver || body === null ? response : new Response(watched(body, over), response);
    } catch (error) {
      over();
      throw error;
    }
  }
}

/** The same octets, no sooner than they are asked for; `over` is called when there will be no more. */
function watched(body: ReadableStream<Uint8Array>, over: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>);
          controller.close();
          over();
        } catch (error) {
          over();
          throw error;
        }
      },
      cancel(reason) {
        over();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
