/**
 * The same hosts on a Node that is newer than this one (D34): it runs TypeScript by itself, and what the hand-off of
 * sockets uses of Node's inside may change with each major version. `.ci/run` brings one; by hand:
 * `DUOWIRE_NEWER_NODE=/path/to/node npx vitest run test/host/newer-node.test.ts`.
 */
import { execFile, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, type TestContext, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Place } from "../cli/support.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const HAND_OFFS = "2000";
const options = { timeout: 120_000 };

const desk = `
import { Service } from "duowire";
interface Client { confirm(question: string): Promise<boolean> }
export default class Desk extends Service<Client> {
  async place(symbol: string): Promise<string> {
    return (await this.client.confirm(symbol)) ? process.version : "refused";
  }
}`;

function newerNode(context: TestContext): string {
  return process.env.DUOWIRE_NEWER_NODE ?? context.skip("DUOWIRE_NEWER_NODE names no Node that is newer than this one");
}

test.for(["inline", "thread", "process"])(
  "a newer Node runs a service in TypeScript, host %s",
  options,
  async (host, context) => {
    const program = newerNode(context);
    const place = new Place(context, { "desk.ts": desk }, false);
    place.node = program;
    const { address } = await place.serve("desk.ts", "--host", host);
    await using session = connect<{ place(symbol: string): Promise<string> }>(address, {
      expose: { confirm: async () => true },
    } as never);
    expect(await session.remote.place("ACME")).toBe(execFileSync(program, ["--version"], { encoding: "utf8" }).trim());
    await expect.poll(() => session.link?.kind, { timeout: 10_000 }).toBe("websocket");
  },
);

test("a newer Node hands off sockets without a loss", options, async (context) => {
  const program = newerNode(context);
  const args = ["node_modules/vitest/vitest.mjs", "run", "test/host/socket-hand-off.test.ts"];
  const { VITEST: _, VITEST_POOL_ID: __, VITEST_WORKER_ID: ___, NODE_OPTIONS: ____, ...own } = process.env;
  const { stdout } = await run(program, args, { cwd: root, env: { ...own, HAND_OFFS } });
  expect(stdout).toMatch(/^2 passed, 0 failed, 0 skipped$/m);
});
