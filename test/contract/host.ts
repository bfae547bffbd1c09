/**
 * What every host of communication processes promises: the same service, called the same way, wherever it runs. Each
 * host runs the same suite; what only some can promise (a crash that others survive) is tested beside it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ConnectionAddress } from "../../src/access/connection-address.js";
import { type ConnectOptions, connect } from "../../src/client/index.js";
import { platformNetwork } from "../../src/client/network.js";
import { ClientSession, platformParts } from "../../src/client/session.js";
import { type Server, serve } from "../../src/server/index.js";
import { accessFrame, send } from "../server/support.js";
import { startProxy } from "../support/faulty-proxy.js";
import { startHttpProxy } from "../support/http-proxy.js";
import type { HostCase } from "./host-cases.js";
import type Resident from "./services/resident.js";
import type { ResidentClient } from "./services/resident.js";

/** A path that comes to life after some time: the links of a session that is young. */
const LINK_MS = 10_000;
/** Calls each way in the tests of faults. */
const CALLS = 150;

/** Runs the suite for one host. */
export function hostContract({ name, make }: HostCase): void {
  describe(name, () => {
    let server: Server<Resident>;
    let folder: string;
    const told: { readonly type: string; readonly detail: { readonly error?: unknown; readonly lent?: number } }[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "duowire-host-"));
      const authorize = ({ query }: { readonly query: string }) => query.slice(1) || undefined;
      server = await serve<Resident>({ address: "http://127.0.0.1:0/WAO", service: make(), authorize });
      for (const type of ["service_error", "call_failed", "references_high", "error"] as const)
        server.addEventListener(type, ({ detail }) => told.push({ type, detail }));
    });
    afterAll(async () => {
      await server?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const exposed = {
      confirm: (question: string) => question.endsWith("?"),
      take: (n: number) => n,
      mirror: (value: unknown) => value,
      apply: (change: (n: number) => number | Promise<number>, n: number) => change(n),
      fail: (): never => {
        throw new Error("the client's own trouble");
      },
    };

    function open(options: Partial<ConnectOptions<ResidentClient>> & { readonly href?: string } = {}) {
      const { href = server.address.href, ...rest } = options;
      const session = connect<Resident>(href, { expose: exposed as never, ...rest } as never);
      onTestFinished(() => session.close());
      return session;
    }

    const idOf = async (session: ClientSession<Resident>) => (await session.remote.who()).id;
    async function openThroughProxy(options: Partial<ConnectOptions<ResidentClient>> = {}) {
      const proxy = await startProxy(server.address.port);
      return { proxy, session: open({ href: `http://127.0.0.1:${proxy.port}/WAO`, ...options }) };
    }

    async function logged(session: ClientSession<Resident>) {
      const path = join(folder, `${await idOf(session)}.log`);
      await session.remote.logTo(path);
      return () => {
        try {
          return readFileSync(path, "utf8").trim().split("\n");
        } catch {
          return [];
        }
      };
    }

    async function talk(session: ClientSession<Resident>): Promise<void> {
      expect(await session.remote.ask("really?")).toBe(true);
      const numbers: number[] = [];
      const stop = await session.remote.watch((n) => void numbers.push(n));
      expect(await session.remote.tell(1)).toBe(1);
      expect(await session.remote.tell(2)).toBe(1);
      await expect.poll(() => numbers).toEqual([1, 2]);
      await stop();
      const octets = new Uint8Array(300_000).map((_, index) => index);
      expect(await session.remote.echo(octets)).toEqual(octets);
      expect(await (await session.remote.drawer()).open()).toBe("full");
      expect(await session.remote.push(20)).toHaveLength(20);
    }

    test("early calls travel with the first access, and are answered in order", async () => {
      const session = open();
      const early = [session.remote.next(1), session.remote.next(2), session.remote.ask("early?")];
      expect(await Promise.all(early)).toEqual([1, 2, true]);
    });

    test.each(["websocket", "http-exchange"] as const)("calls both ways over %s", async (kind) => {
      const session = open({ links: [kind] });
      await expect.poll(() => session.link?.kind, { timeout: LINK_MS }).toBe(kind);
      await talk(session);
      expect(session.link?.kind).toBe(kind);
      const id = await idOf(session);
      await expect.poll(() => server.sessions.get(id)?.linkKind).toBe(kind);
      expect(server.sessions.get(id)?.state).toBe("open");
    });

    test("calls both ways by polling, through a proxy that holds answers back", async () => {
      await using holding = await startHttpProxy(server.address.port, { upgrades: "refused", answers: "buffered" });
      await talk(open({ href: `http://127.0.0.1:${holding.port}/WAO` }));
    });

    test("what a service throws is the client's without its stack, and the server's with it", async () => {
      const session = open();
      const failure = await session.remote.fail().then(undefined, (error: Error) => error);
      expect(failure).toMatchObject({ name: "Error", message: "the drawer is stuck" });
      expect(String((failure as Error).stack)).not.toContain("resident.ts");
      const event = told.findLast(({ type }) => type === "service_error");
      expect(event?.detail).toMatchObject({ method: "fail", id: await idOf(session) });
      expect(String((event?.detail.error as Error | undefined)?.stack)).toContain("resident.ts");
      await expect(session.remote.refuse()).rejects.toMatchObject({ code: "invalid_argument" });
    });

    test("a call of the client that fails and that nobody awaits is the server's call_failed", async () => {
      const session = open();
      const id = await idOf(session);
      await session.remote.careless();
      const mine = () =>
        told.filter(({ type, detail }) => type === "call_failed" && "id" in detail && detail.id === id);
      await expect
        .poll(mine)
        .toMatchObject([{ detail: { method: "fail", error: { message: "the client's own trouble" } } }]);
    });

    test("a service calls its client with options of its own: no longer than it says", async () => {
      const session = open({ expose: { ...exposed, confirm: () => new Promise<boolean>(() => {}) } as never });
      await expect(session.remote.askWithin("ever?", 50)).rejects.toMatchObject({ code: "deadline_exceeded" });
      expect(await open().remote.askWithin("ever?", 10_000)).toBe(true);
    });

    test("who lends a client nearly all that it takes is told", async () => {
      const session = open({ limits: { referencesMax: 100 } });
      const id = await idOf(session);
      expect(await session.remote.lend(79)).toHaveLength(79);
      const mine = () =>
        told.filter(({ type, detail }) => type === "references_high" && "id" in detail && detail.id === id);
      expect(mine()).toEqual([]);
      expect(await session.remote.lend(10)).toHaveLength(10);
      await expect.poll(mine).toMatchObject([{ detail: { lent: 80, referencesMax: 100 } }]);
      await expect(session.remote.lend(40)).rejects.toMatchObject({ code: "reference_quota" });
    });

    test("a service hears of interruptions, of the end, and why", async () => {
      // Plain HTTP would survive this without an interruption.
      const { proxy, session } = await openThroughProxy({ links: ["websocket"] });
      const lines = await logged(session);
      await expect.poll(() => session.link?.kind, { timeout: LINK_MS }).toBe("websocket");
      proxy.destroyAll();
      await expect.poll(lines, { timeout: LINK_MS }).toEqual(["interrupted", "resumed"]);
      await session.close();
      await expect.poll(lines).toEqual(["interrupted", "resumed", "disposed closed closed"]);
    });

    test.each(["websocket", "http-exchange"] as const)("no numbered call is lost while %s links die", async (kind) => {
      const { proxy, session } = await openThroughProxy({ links: [kind] });
      await session.opened;
      proxy.destroyEach(100);
      const pushed = session.remote.push(CALLS);
      for (let n = 1; n <= CALLS; n++) {
        expect(await session.remote.next(n)).toBe(n);
        if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await pushed).toEqual(Array.from({ length: CALLS }, (_, index) => index + 1));
    });

    test("a session with a companion does not notice that one of its two connections stands still", async () => {
      const proxy = await startProxy(server.address.port);
      const address = ConnectionAddress.parse(`http://127.0.0.1:${proxy.port}/WAO`);
      const parts = { ...platformParts, network: platformNetwork, companion: { longMs: 0, lookMs: 20, writesMin: 1 } };
      const session = new ClientSession<Resident>(address, { expose: exposed as never }, parts);
      onTestFinished(() => session.close());
      const isUpgrade = (said: string) => /upgrade: websocket/i.test(said);
      let last = 0;
      const talkOn = async (calls: number) => {
        for (const end = last + calls; last < end; ) {
          expect(await session.remote.next(++last)).toBe(last);
          expect(await session.remote.ask("and you?")).toBe(true);
        }
      };
      const talkUntil = async (isSo: () => boolean) => {
        while (!isSo()) await talkOn(1);
      };
      await talkUntil(() => session.link?.kind === "websocket" && proxy.count(isUpgrade) === 2);
      await talkOn(50);
      const changes: string[] = [];
      for (const type of ["state", "link"] as const) session.addEventListener(type, () => changes.push(type));
      const goOn = proxy.stallOldest(isUpgrade);
      await talkOn(50);
      goOn();
      await talkOn(50);
      expect(changes).toEqual([]);
      // What is too long for the companion does not wait for a link that has died in silence, while all else goes on.
      proxy.stallOldest(isUpgrade);
      const long = new Uint8Array(5_000).fill(7);
      let isThere = false;
      const echoed = session.remote.echo(long).then((octets) => {
        isThere = true;
        return octets;
      });
      const since = performance.now();
      await talkUntil(() => isThere || performance.now() - since > LINK_MS);
      expect(await echoed).toEqual(long);
      expect(changes).toContain("link");
    });

    test("a silent path is left for another one", async () => {
      const { proxy, session } = await openThroughProxy();
      expect(await session.remote.next(1)).toBe(1);
      await expect.poll(() => session.link?.kind, { timeout: LINK_MS }).toBeDefined();
      proxy.mode = "stall";
      const call = session.remote.next(2);
      await new Promise((resolve) => setTimeout(resolve, 100));
      proxy.destroyAll();
      proxy.mode = "pass";
      expect(await call).toBe(2);
    });

    test("server.sessions has the client, and its answers and errors come as they are", async () => {
      const session = open();
      const client = server.sessions.get(await idOf(session))?.client;
      expect(await client?.confirm("is that so?")).toBe(true);
      expect(await client?.apply((n) => n * 2, 21)).toBe(42);
      await expect(client?.apply(() => Promise.reject(new Error("in the server")), 1)).rejects.toMatchObject({
        message: "in the server",
      });
      await expect(client?.fail()).rejects.toMatchObject({ name: "Error", message: "the client's own trouble" });
      await expect(client?.missing?.()).rejects.toMatchObject({ code: "method_unknown", outcome: "answered" });
      const numbers = await Promise.all(Array.from({ length: 500 }, (_, n) => client?.take(n)));
      expect(numbers).toEqual(Array.from({ length: 500 }, (_, n) => n));
    });

    test("the live list tells what is under way, where, and how much memory that takes", async () => {
      const session = open({ expose: { ...exposed, confirm: () => new Promise<boolean>(() => {}) } as never });
      const { id, pid } = await session.remote.who();
      const waiting = [session.remote.wait(), session.remote.ask("ever?")].map((call) => call.catch(() => undefined));
      const seen = server.sessions.get(id);
      await expect.poll(() => seen?.figures, { timeout: LINK_MS }).toMatchObject({ callsRunning: 2, callsOpen: 1 });
      const { kind, number, memoryBytes } = seen?.place ?? {};
      expect(name.toLowerCase()).toContain(kind);
      expect(number).toEqual(kind === "process" ? pid : kind === "thread" ? expect.any(Number) : undefined);
      if (kind !== "inline") expect(memoryBytes).toBeGreaterThan(1_048_576);
      seen?.end();
      await Promise.all(waiting);
    });

    test("Files cross both ways, from the service and from outside, in the order of the calls", async () => {
      const session = open();
      const file = new File(["ab", new Uint8Array(100_000)], "ä.png", { type: "image/png", lastModified: 1_234 });
      const told = async (one: unknown) => {
        const { name, type, lastModified, size } = one as File;
        return [one instanceof File, name, type, lastModified, size, await (one as File).slice(0, 2).text()];
      };
      const expected = [true, "ä.png", "image/png", 1_234, 100_002, "ab"];
      const [back, first, list] = await Promise.all([
        session.remote.echo(file),
        session.remote.next(1),
        session.remote.echo([new Map([["picture", file]])]) as Promise<[Map<string, File>]>,
      ]);
      expect(first).toBe(1);
      expect([await told(back), await told(list[0].get("picture"))]).toEqual([expected, expected]);
      const client = server.sessions.get(await idOf(session))?.client;
      expect(await told(await client?.mirror(file))).toEqual(expected);
      const large = new Blob([new Uint8Array(5_000_000)]);
      await expect(client?.mirror(large)).rejects.toMatchObject({ code: "message_too_large", outcome: "not_sent" });
      await expect(session.remote.echo(large)).rejects.toMatchObject({
        code: "message_too_large",
        outcome: "not_sent",
      });
    });

    test("a client that server.sessions calls while its session ends leaves each call with an outcome", async () => {
      const session = open({ expose: { ...exposed, confirm: () => new Promise<boolean>(() => {}) } as never });
      const id = await idOf(session);
      const seen = server.sessions.get(id);
      const open_ = seen?.client.confirm("ever?");
      await session.remote.echo(1);
      seen?.end("enough");
      await expect(open_).rejects.toMatchObject({ code: "closed", outcome: "outcome_unknown" });
      expect(await session.closed).toMatchObject({ code: "closed", message: "enough", side: "remote" });
      expect(await seen?.ended).toMatchObject({ code: "closed", message: "enough" });
      await expect(seen?.client.confirm("late?")).rejects.toMatchObject({ outcome: "not_sent" });
    });

    test("a service ends its own session, and the client is told its words", async () => {
      const session = open();
      await session.remote.leave("gone fishing").catch(() => undefined);
      expect(await session.closed).toMatchObject({ code: "closed", message: "gone fishing", side: "remote" });
    });

    test("authorize names the principal, for the service and for the server", async () => {
      const session = open({ href: `${server.address.href}?ada` });
      const { id, principal, href } = await session.remote.who();
      expect([principal, href]).toEqual(["ada", `http://${server.sessions.get(id)?.localAddress}`]);
      expect(server.sessions.find("ada").map((one) => one.id)).toEqual([id]);
    });

    test("the client is told how long its process took to make, so that it does not blame the way", async () => {
      const { frames } = await send("POST", `${server.address.href}?slow`, { body: accessFrame() });
      expect(frames[0]).toMatchObject({ type: "welcome" });
      expect((frames[0] as { heldMs?: number }).heldMs).toBeGreaterThan(990);
    });

    test("what opened() throws refuses the access, and stays on the server", async () => {
      const reason = await open({ href: `${server.address.href}?unwanted` }).closed;
      expect([reason.code, reason.message.includes("secret")]).toEqual(["service_failed", false]);
      const event = told.findLast(({ type }) => type === "service_error");
      expect(event?.detail).toMatchObject({ method: "opened", error: { message: "secret: the list of the unwanted" } });
    });

    test("sessions of one group call each other, see each other, and hear of changes", async () => {
      const [ada, ben] = [open(), open({ expose: { ...exposed, confirm: () => false } as never })];
      const changes: string[] = [];
      const stop = await ada.remote.watchRoom("tea", (change) => void changes.push(change));
      await ada.remote.enter("tea", "Ada");
      await ben.remote.enter("tea", "Ben");
      await expect.poll(() => ada.remote.inRoom("tea")).toEqual(["Ada", "Ben"]);
      expect(await ada.remote.askOthers("tea", "milk?")).toEqual([false]);
      expect(await ben.remote.askOthers("tea", "milk?")).toEqual([true]);
      await ben.close();
      await expect.poll(() => ada.remote.inRoom("tea")).toEqual(["Ada"]);
      await expect
        .poll(() => changes.filter((line) => !line.startsWith("state")))
        .toEqual(["joined Ada", "joined Ben", "left Ben"]);
      await stop();
    });

    test("functions and objects by reference pass through server.sessions in both directions", async () => {
      const { Target } = await import("../../src/index.js");
      class Box extends Target {
        open() {
          return "empty";
        }
      }
      const expose = {
        ...exposed,
        apply: (box: { open(): unknown }, _n: number) => box.open(),
        lend: () => (n: number) => n + 1,
      };
      const session = open({ expose: expose as never });
      const client = server.sessions.get(await idOf(session))?.client as unknown as {
        apply(box: Box, n: number): Promise<unknown>;
        lend(): Promise<(n: number) => Promise<number>>;
      };
      expect(await client.apply(new Box(), 1)).toBe("empty");
      expect(await (await client.lend())(41)).toBe(42);
    });
  });
}
