import { spawnSync } from "node:child_process";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { startNginx } from "../support/nginx.js";

interface HearerClient {
  hear(n: number): void;
}

/** How long after a call the server has something to say by itself: no request of the client's is due then. */
const LATER_MS = 400;
/** What G6 allows for a first call; and for what the server says, too. */
const WITHIN_MS = 2_000;

class Herald extends Service<HearerClient> {
  echo(n: number): number {
    return n;
  }

  sayLater(n: number): void {
    setTimeout(() => this.client.hear(n), LATER_MS);
  }
}

beforeEach((context) => {
  if (spawnSync("nginx", ["-v"]).error) context.skip("nginx is missing");
});

const upgrades = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';
const deaf = "proxy_ignore_headers X-Accel-Buffering;";

test.for([
  ["as it is by default", "", "http-exchange"],
  ["with HTTP/1.0 to the server", "proxy_http_version 1.0;", "http-exchange"],
  ["with HTTP/1.1 to the server", "proxy_http_version 1.1;", "http-exchange"],
  ["with proxy_buffering off", "proxy_buffering off;", "http-exchange"],
  ["that holds answers back, HTTP/1.0", `proxy_buffering on; proxy_http_version 1.0; ${deaf}`, "http-exchange"],
  ["that holds answers back, HTTP/1.1", `proxy_buffering on; proxy_http_version 1.1; ${deaf}`, "http-exchange"],
  ["that passes upgrades on", `proxy_http_version 1.1; ${upgrades}`, "websocket"],
] as const)("through nginx %s, a first call and a word of the server come within 2 s", async ([, directives, kind]) => {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Herald });
  onTestFinished(() => server.close());
  const port = await startNginx(`location / { proxy_pass http://127.0.0.1:${server.address.port}; ${directives} }`);
  const heard: number[] = [];
  const startedAt = performance.now();
  const expose = { hear: (n: number) => void heard.push(n) };
  const session = connect<Herald>(`http://127.0.0.1:${port}/WAO`, { expose });
  onTestFinished(() => session.close());
  expect(await session.remote.echo(1)).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(WITHIN_MS);
  for (const n of [1, 2, 3]) {
    await session.remote.sayLater(n);
    await expect.poll(() => heard.at(-1), { timeout: LATER_MS + WITHIN_MS, interval: 20 }).toBe(n);
  }
  expect(heard).toEqual([1, 2, 3]);
  expect(session.link?.kind).toBe(kind);
});
