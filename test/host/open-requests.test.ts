import { expect, test, vi } from "vitest";
import { OpenRequests } from "../../src/host/open-requests.js";

const url = "http://server/WAO.1/page";

function setup() {
  const ended = vi.fn();
  const requests = new OpenRequests(ended);
  const run = (response: Response, init: RequestInit = {}) =>
    requests.run(new Request(url, init), async () => response);
  return { ended, requests, run };
}

test("OpenRequests counts a request until the last octet of its answer was taken", async () => {
  const { ended, requests, run } = setup();
  const answer = await run(new Response("a page", { status: 201, headers: { "x-a": "b" } }));
  expect([requests.count, answer.status, answer.headers.get("x-a")]).toEqual([1, 201, "b"]);
  expect(await answer.text()).toBe("a page");
  expect([requests.count, ended.mock.calls.length]).toEqual([0, 1]);
});

test("OpenRequests counts until the reader leaves, the client does, or the service's body fails", async () => {
  const { ended, requests, run } = setup();
  await (await run(new Response("unwanted"))).body?.cancel();
  const abort = new AbortController();
  await run(new Response("unread"), { signal: abort.signal });
  const broken = await run(new Response(new ReadableStream({ pull: () => Promise.reject(new Error("no disk")) })));
  expect(requests.count).toBe(2);
  abort.abort();
  await expect(broken.text()).rejects.toThrow("no disk");
  expect([requests.count, ended.mock.calls.length]).toEqual([0, 3]);
});

test("OpenRequests does not wait for what nobody reads", async () => {
  const { requests, run } = setup();
  await run(new Response(null, { status: 204 }));
  await run(new Response("not for a HEAD"), { method: "HEAD" });
  const failing = requests.run(new Request(url), () => Promise.reject(new Error("thrown")));
  await expect(failing).rejects.toThrow("thrown");
  expect(requests.count).toBe(0);
});
