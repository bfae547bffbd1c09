import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Place } from "./support.js";

const desk = `
import { existsSync } from "node:fs";
import { Service } from "duowire";
interface Order { symbol: string; total: number }
export default class Desk extends Service {
  place(order: Order): string { return "placed " + order.symbol; }
  octets(): Uint8Array { return new Uint8Array([0, 255, 10]); }
  odd() { return { when: new Date(0), big: 2n ** 70n, map: new Map([["a", 1]]), set: new Set([1]), octets: new Uint8Array([1]) }; }
  async *items() { yield { n: 1 }; yield { n: 2 }; }
  async *parts() { yield new Uint8Array([1, 2]); yield new Uint8Array([3]); }
  nothing(): void {}
  token(): string | null { return process.env.DUOWIRE_ADMIN_TOKEN ?? null; }
  refuse(): void { throw new TypeError("not today"); }
  async long(): Promise<string> {
    while (!existsSync("go")) await new Promise((resolve) => setTimeout(resolve, 20));
    return "at last";
  }
  wait(): Promise<void> { return new Promise(() => {}); }
  _inner(): void {}
}`;
const plain =
  'import { Service } from "duowire";\nexport default class Files extends Service { list() { return []; } }';

const options = { timeout: 60_000 };
/** Each look is a program that starts. */
const patience = { timeout: 20_000 };

test("duowire serve prints its address and methods; call, ps and end use them", options, async (context) => {
  const place = new Place(context, { "desk.ts": desk });
  const { server, address } = await place.serve("desk.ts");
  await server.match(/^ {2}default: items, long, nothing, octets, odd, parts, place, refuse, token, wait$/m);

  const placed = await place.run("call", address, "place", '[{ "symbol": "ACME", "total": 3 }]');
  expect(placed).toEqual({ code: 0, out: '"placed ACME"\n', err: "" });
  const odd = await place.run("call", address, "odd", "--json");
  const when = "1970-01-01T00:00:00.000Z";
  expect(JSON.parse(odd.out)).toEqual({ when, big: String(2n ** 70n), map: { a: 1 }, set: [1], octets: "AQ" });
  expect((await place.run("call", address, "nothing")).out).toBe("null\n");
  expect((await place.run("call", address, "octets", "--output", "out.bin")).code).toBe(0);
  expect([...readFileSync(join(place.folder, "out.bin"))]).toEqual([0, 255, 10]);

  expect((await place.run("call", address, "items")).out).toBe('{"n":1}\n{"n":2}\n');
  expect((await place.run("call", address, "parts", "-o", "parts.bin")).code).toBe(0);
  expect([...readFileSync(join(place.folder, "parts.bin"))]).toEqual([1, 2, 3]);

  const session = connect<{ wait(): Promise<void> }>(address);
  const waiting = session.remote.wait().catch(() => undefined);
  await session.opened;
  const id = session.address.href.split("/").at(-1) ?? "";
  await expect.poll(async () => (await place.run("ps", address)).out, patience).toContain(" open ");
  const listed = JSON.parse((await place.run("ps", "--json")).out);
  expect(listed).toMatchObject({ address, sessions: [{ id, state: "open", figures: { callsRunning: 1 } }] });
  expect(await place.run("end", id, "WAO.n1.x")).toEqual({
    code: 1,
    out: `ended ${id}\n`,
    err: "there is no session WAO.n1.x\n",
  });
  expect((await session.closed).message).toBe("ended by its operator");
  await waiting;
  expect((await place.run("ps", new URL(address).port)).out).toBe(`no sessions at ${address}\n`);
});

test("duowire's exit codes tell a failed call, a mistake, and a server that is not there", options, async (context) => {
  const place = new Place(context, { "desk.ts": desk });
  const { address } = await place.serve("desk.ts");
  const exits = async (...args: string[]) => (await place.run(...args)).code;
  expect(await place.run("call", address, "refuse")).toEqual({
    code: 1,
    out: "",
    err: "duowire: TypeError: not today\n",
  });
  const unknown = await place.run("call", address, "_inner", "--json");
  expect(unknown.code).toBe(2);
  expect(JSON.parse((await place.run("call", address, "absent", "--json")).out)).toMatchObject({
    code: "method_unknown",
  });
  expect(await exits("call", address, "place", "{}")).toBe(2);
  expect(await exits("call", address, "octets", "--output", "/nowhere/at/all")).toBe(1);
  expect(await exits("call", address, "place", "--service", "none")).toBe(3);
  expect(await exits("call", "http://127.0.0.1:9/WAO", "place", "--timeout-ms", "300")).toBe(3);
  expect(await exits("call", "nonsense", "place")).toBe(2);
  expect(await exits("ps", "9")).toBe(3);
  expect(await exits("ps", "--admin", "http://127.0.0.1:9")).toBe(2);
  expect(await exits("ps", "what is this")).toBe(2);
  expect(await exits("call", address, "long", "--timeout-ms", "100")).toBe(1);
});

test("SIGTERM drains: calls under way finish, and a second signal does not wait for them", options, async (context) => {
  const place = new Place(context, { "desk.ts": desk });
  const first = await place.serve("desk.ts");
  const calling = place.run("call", first.address, "long");
  await expect.poll(async () => (await place.run("ps", "--json")).out, patience).toContain('"callsRunning": 1');
  first.server.signal("SIGTERM");
  await first.server.match(/^draining \(1 open\)/m);
  writeFileSync(join(place.folder, "go"), "");
  expect(await calling).toMatchObject({ code: 0, out: '"at last"\n' });
  expect(await first.server.exited).toBe(0);
  expect(first.server.out).toMatch(/closed\n$/);

  const second = await place.serve("desk.ts");
  const stuck = place.run("call", second.address, "wait");
  await expect.poll(async () => (await place.run("ps", "--json")).out, patience).toContain('"callsRunning": 1');
  second.server.signal("SIGINT");
  await second.server.match(/^draining/m);
  second.server.signal("SIGINT");
  expect(await second.server.exited).toBe(1);
  expect((await stuck).code).toBe(1);
});

test(
  "duowire serve goes on when nobody reads what it prints, and keeps its admin token to itself",
  options,
  async (context) => {
    const place = new Place(context, { "desk.ts": desk });
    place.environment = { DUOWIRE_ADMIN_TOKEN: "x".repeat(40) };
    const { server, address } = await place.serve("desk.ts", "--host", "process", "--admin-port", "0");
    expect((await place.run("call", address, "token")).out).toBe("null\n");
    server.deafen();
    const calling = place.run("call", address, "long");
    await expect.poll(async () => (await place.run("ps", "--json")).out, patience).toContain('"callsRunning": 1');
    server.signal("SIGTERM");
    await expect.poll(async () => (await fetch(address, { method: "POST" })).status).toBe(503);
    writeFileSync(join(place.folder, "go"), "");
    expect(await calling).toMatchObject({ code: 0, out: '"at last"\n' });
    expect(await server.exited).toBe(0);
  },
);

test("duowire serve ends when its port is taken, whatever its host has started", options, async (context) => {
  const place = new Place(context, { "desk.ts": desk });
  const { address } = await place.serve("desk.ts");
  const failed = await place.run("serve", "desk.ts", "--host", "process", "--port", new URL(address).port);
  expect(failed).toMatchObject({ code: 2, err: expect.stringContaining("EADDRINUSE") });
});

test("duowire serve takes several services, an id, a port's admin door and JSON", options, async (context) => {
  const place = new Place(context, { "desk.ts": desk, "files.mjs": plain });
  place.environment = { DUOWIRE_ADMIN_TOKEN: "x".repeat(40) };
  const services = ["--service", "desk=desk.ts", "--service", "files=./files.mjs"];
  const server = place.start("serve", ...services, "--id", "SHOP", "--port", "0", "--admin-port", "0", "--json");
  const started = JSON.parse(await server.match(/^\{.*\}$/m));
  expect(started).toMatchObject({
    event: "serving",
    services: [{ name: "desk" }, { name: "files", methods: ["list"] }],
  });
  expect(started.address).toMatch(/\/SHOP$/);
  const [socket, admin] = started.admin as [string, string];
  expect(statSync(socket.replace("unix:", "")).mode & 0o777).toBe(0o600);
  expect((await place.run("call", started.address, "list", "--service", "files", "--json")).out).toBe("[]\n");
  expect((await place.run("ps", "--admin", admin)).out).toContain(started.address);
  place.environment = { DUOWIRE_ADMIN_TOKEN: "y".repeat(40) };
  expect(await place.run("ps", "--admin", admin)).toMatchObject({
    code: 3,
    err: expect.stringMatching(/not the server's/),
  });
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
  expect(JSON.parse(server.out.trim().split("\n").at(-1) ?? "")).toEqual({ event: "closed" });
});

test.each([
  [["serve"], /either a module or --service/],
  [["serve", "absent.ts"], /there is no module absent.ts/],
  [["serve", "broken.mjs"], /broken\.mjs cannot be loaded:\n.*boom/],
  [["serve", "strange.mjs"], /does not extend Service/],
  [["serve", "empty.mjs"], /no class as its default export/],
  [["serve", "common.cjs"], /no class as its default export/],
  [["serve", "reserved.mjs"], /then/],
  [["serve", "broken.mjs", "--host", "process"], /broken\.mjs cannot be loaded:\n.*boom/],
  [["serve", "strange.mjs", "--host", "thread"], /does not extend Service/],
  [["serve", "plain.mjs", "--host", "moon"], /--host moon is none of inline, thread, process/],
  [["serve", "plain.mjs", "--port", "x"], /--port "x" is no whole number/],
  [["serve", "plain.mjs", "--address", "https://127.0.0.1:0/WAO"], /serve\(\) speaks plain http/],
  [["serve", "plain.mjs", "--port", "0", "--admin-port", "0"], /needs a token/],
  [["serve", "plain.mjs", "--wrong"], /--wrong/],
  [["nonsense"], /no command "nonsense"/],
  [["call", "http://127.0.0.1/"], /expected <address> <method>/],
])("duowire %j is a mistake, and says which", options, async (args, message, ...rest) => {
  const context = rest.at(-1) as never;
  const place = new Place(context, {
    "plain.mjs": plain,
    "broken.mjs": 'throw new Error("boom")',
    "strange.mjs": "export default class {}",
    "empty.mjs": "export const x = 1;",
    "common.cjs": "module.exports = 5;",
    "reserved.mjs": plain.replace("list", "then"),
  });
  const { code, out, err } = await place.run(...args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toMatch(message);
  expect(err).not.toMatch(/at .*dist\/cli/);
});

test("duowire serve says what is missing where nothing runs TypeScript", options, async (context) => {
  const place = new Place(context, { "desk.ts": desk, "plain.mjs": plain }, false);
  if ((process.features as { typescript?: unknown }).typescript) context.skip("this Node runs TypeScript by itself");
  const { code, err } = await place.run("serve", "desk.ts");
  expect([code, err]).toEqual([2, expect.stringMatching(/npm install tsx.* Node 22\.18/)]);
  const { server } = await place.serve("plain.mjs");
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
});

test.each(["thread", "process"])(
  "duowire serve --host %s runs services there, shows where, and drains",
  options,
  async (...all) => {
    const [host, context] = all as unknown as [string, never];
    const place = new Place(context, { "desk.ts": desk });
    const { server, address } = await place.serve("desk.ts", "--host", host);
    await server.match(/^ {2}default: items, long, nothing, /m);
    expect(await place.run("call", address, "place", '[{ "symbol": "ACME" }]')).toMatchObject({
      code: 0,
      out: '"placed ACME"\n',
    });
    const calling = place.run("call", address, "long");
    const list = async () =>
      JSON.parse((await place.run("ps", "--json")).out).sessions as { state: string; place: object }[];
    await expect.poll(async () => (await list()).map(({ state }) => state), { timeout: 10_000 }).toEqual(["open"]);
    expect((await list())[0]?.place).toMatchObject({ kind: host, number: expect.any(Number) });
    server.signal("SIGTERM");
    await server.match(/^draining \(1 open\)/m);
    writeFileSync(join(place.folder, "go"), "");
    expect(await calling).toMatchObject({ code: 0, out: '"at last"\n' });
    expect(await server.exited).toBe(0);
  },
);

test("duowire helps", options, async (context) => {
  const place = new Place(context, {});
  for (const command of ["serve", "call", "ps", "end"]) {
    const { code, out } = await place.run(command, "--help");
    expect([code, out]).toEqual([0, expect.stringContaining(`Usage: duowire ${command} `)]);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  }
  expect((await place.run("--help")).out).toMatch(/serve .*\n.*call .*\n.*ps .*\n.*end /);
  expect((await place.run("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await place.run()).code).toBe(2);
});
