/**
 * The soak: many sessions call both ways at a steady pace through a proxy that lets a share of their connections meet
 * a fault each second, for minutes. Server, clients and proxy are processes of their own.
 */
import type { Random } from "../sim/random.js";
import { type Child, forkChild } from "../support/child-process.js";
import type { SoakLoad } from "../support/children/soak-clients.js";
import type { Vitals } from "../support/children/vitals.js";
import type { EndCount } from "./count.js";
import { type SoakFault, SoakProxy } from "./proxy.js";

/** How long and how hard. */
export interface SoakOptions {
  readonly sessions: number;
  readonly seconds: number;
  /** Calls a second, each way, of each session. */
  readonly rate: number;
  /** The share of connections in use that meet a fault in each second, 0 to 1. */
  readonly share: number;
  /** Every so-manieth session goes over plain HTTP only. */
  readonly plainEach: number;
  /** How often both processes are looked at. */
  readonly sampleMs: number;
  readonly random: Random;
  readonly onSample: (sample: SoakSample) => void;
}

/** What was seen at one moment. */
export interface SoakSample {
  readonly atMs: number;
  readonly faults: number;
  readonly clients: EndReport & Vitals;
  readonly server: EndReport & Vitals;
}

/** What one process says of all its ends. */
export interface EndReport {
  readonly count: EndCount;
  readonly sessions: number;
  /** How many sessions have ended, by the code of the reason. */
  readonly ended: Readonly<Record<string, number>>;
  /** Unhandled rejections and uncaught exceptions. */
  readonly troubles: readonly string[];
}

/** How it went. */
export interface SoakResult {
  readonly samples: readonly SoakSample[];
  /** After the load was over and every answer had come, or 30 s later. */
  readonly final: SoakSample;
  readonly faults: Readonly<Record<SoakFault, number>>;
  /** The server before its first session, and after its last. */
  readonly before: Vitals;
  readonly after: Vitals;
}

/** How long answers may be on their way when the load is over. */
const SETTLE_MS = 30_000;
/** How long a server keeps idle connections of closed sessions, and a little more. */
const AFTER_MS = 20_000;
const STRIKE_MS = 1_000;

/** Runs it. Rejects when a process dies. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const flags = ["--expose-gc"];
  const children = [forkChild("soak-server", [], flags), forkChild("soak-clients", [], flags)] as const;
  const [server, clients] = children;
  let proxy: SoakProxy | undefined;
  try {
    proxy = await SoakProxy.start(await server.ask<number>("port"));
    return await new Soaking(options, server, clients, proxy).run();
  } finally {
    await proxy?.close();
    await Promise.all(children.map((child) => child.kill()));
  }
}

class Soaking {
  private readonly startedAt = performance.now();
  private readonly samples: SoakSample[] = [];

  constructor(
    private readonly options: SoakOptions,
    private readonly server: Child,
    private readonly clients: Child,
    private readonly proxy: SoakProxy,
  ) {}

  async run(): Promise<SoakResult> {
    const { server, clients, proxy, options } = this;
    const before = await server.ask<Vitals>("vitals");
    const { sessions, plainEach, rate } = options;
    const href = `http://127.0.0.1:${proxy.port}/WAO`;
    const load: SoakLoad = { href, sessions, plainEach, everyMs: 1_000 / rate };
    await clients.ask("open", load);
    await this.strikeAndLook();
    await Promise.all([clients.ask("stop"), server.ask("stop")]);
    const final = await this.settled();
    await clients.ask("close");
    const after = await this.quiet(before);
    return { samples: this.samples, final, faults: proxy.happened, before, after };
  }

  private async strikeAndLook(): Promise<void> {
    const { proxy, options } = this;
    const { share, random, seconds, sampleMs, onSample } = options;
    const striking = setInterval(() => proxy.strike(share, random), STRIKE_MS);
    try {
      const end = performance.now() + seconds * 1_000;
      for (let next = performance.now() + sampleMs; performance.now() < end; next += sampleMs) {
        await wait(Math.min(next, end) - performance.now());
        const sample = await this.look();
        this.samples.push(sample);
        onSample(sample);
      }
    } finally {
      clearInterval(striking);
    }
  }

  private async look(): Promise<SoakSample> {
    const ask = async (child: Child) => ({
      ...(await child.ask<EndReport>("report")),
      ...(await child.ask<Vitals>("vitals")),
    });
    const [clients, server] = await Promise.all([ask(this.clients), ask(this.server)]);
    const faults = Object.values(this.proxy.happened).reduce((sum, count) => sum + count, 0);
    return { atMs: performance.now() - this.startedAt, faults, clients, server };
  }

  private async settled(): Promise<SoakSample> {
    const isOpen = ({ count }: EndReport) => count.answered + count.failed < count.sent;
    return waitUntil(
      SETTLE_MS,
      () => this.look(),
      ({ clients, server }) => !isOpen(clients) && !isOpen(server),
    );
  }

  /** Until the server has let go of everything. */
  private quiet(before: Vitals): Promise<Vitals> {
    const look = () => this.server.ask<Vitals>("vitals");
    return waitUntil(AFTER_MS, look, ({ descriptors }) => descriptors <= before.descriptors);
  }
}

/** Looks until it is good, or the time is over; what was seen last. */
async function waitUntil<T>(ms: number, look: () => Promise<T>, isGood: (seen: T) => boolean): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (isGood(seen) || performance.now() > end) return seen;
    await wait(200);
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)));
