/** Runs one scenario: builds a lab, starts the actors, strikes at the appointed times, judges what they wrote down. */
import type { ChildProcess } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { applyFault } from "../faults.js";
import { labDirectory } from "../holder.js";
import { Lab } from "../lab.js";
import { whyNoProxy } from "../proxies.js";
import { clientNodes, LOCAL_URL, type NodeName, PUBLIC_URL } from "../topology.js";
import { machineNow } from "./ledger.js";
import type { Scenario, Step } from "./scenario.js";
import type { Line } from "./tally.js";
import { judge, type Verdict } from "./verdict.js";

/** How a run is made. */
export interface RunOptions {
  readonly peer: string;
  /** How long calls are made where the scenario does not say. */
  readonly seconds: number;
  /** How many times as long as promised everything may take: more than 1 where other work goes on beside it. */
  readonly timeFactor: number;
}

const CALLS_PER_SECOND = 100;
/** How long after the last call the judge waits for calls that are under way. */
const PATIENCE_MS = 15_000;
const READY_MS = 20_000;
const TIMER_MS = 5;
const LAST_LINES_MS = 500;

/** What happened in a run, and when. */
export interface Record {
  readonly lines: readonly Line[];
  /** When each step was done: `atMs` is when it was due. */
  readonly strikes: readonly { readonly step: Step; readonly at: number }[];
  readonly beganAt: number;
  readonly endedAt: number;
  readonly clients: readonly string[];
  readonly calls: number;
  /** How late this process's timers were at worst, in ms: the machine may have other things to do. */
  readonly lateMs: number;
  /** What the actors complained about. */
  readonly complaints: string;
}

/** Runs a scenario in a lab of its own; skipped if a program that it needs is missing. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Verdict | { skipped: string }> {
  for (const { fault, parameters } of scenario.before ?? []) {
    const missing = fault === "proxy" ? whyNoProxy(String(parameters?.kind)) : undefined;
    if (missing) return { skipped: missing };
  }
  const lab = await Lab.up(`${scenario.name}-${process.pid}`, { tied: true });
  try {
    return judge(scenario, await new Run(lab, scenario, options).toEnd(), options.timeFactor);
  } finally {
    lab.down();
  }
}

class Run {
  readonly #lab: Lab;
  readonly #scenario: Scenario;
  readonly #peer: string;
  readonly #calls: number;
  readonly #clients: readonly NodeName[];
  readonly #lines: Line[] = [];
  readonly #strikes: { step: Step; at: number }[] = [];
  #complaints = "";
  #made = 0;
  #settled = 0;

  constructor(lab: Lab, scenario: Scenario, { peer, seconds }: RunOptions) {
    this.#lab = lab;
    this.#scenario = scenario;
    this.#peer = peer;
    this.#calls = (scenario.seconds ?? seconds) * CALLS_PER_SECOND;
    this.#clients = clientNodes.slice(0, scenario.clients ?? 1);
  }

  async toEnd(): Promise<Record> {
    await this.#startServer();
    const clients = this.#clients.map((node) => this.#start(node, ["client", this.#peer, PUBLIC_URL], [node]));
    await Promise.all(clients.map((client) => this.#ready(client)));
    for (const { fault, parameters } of this.#scenario.before ?? []) await applyFault(this.#lab, fault, parameters);
    const lateness = monitorEventLoopDelay({ resolution: TIMER_MS });
    lateness.enable();
    const beganAt = machineNow();
    for (const client of clients) client.stdin?.write("go\n");
    for (const step of this.#scenario.steps) await this.#take(step, beganAt);
    await this.#untilSettled(beganAt + (this.#calls / CALLS_PER_SECOND) * 1000);
    // What one end settled, the other has executed and written, but its pipe may be read later; so may a repeat.
    await delay(LAST_LINES_MS);
    return {
      lines: this.#lines,
      strikes: this.#strikes,
      beganAt,
      endedAt: machineNow(),
      clients: this.#clients,
      calls: this.#calls,
      lateMs: Math.max(0, lateness.max / 1e6 - TIMER_MS),
      complaints: this.#complaints,
    };
  }

  async #take(step: Step, beganAt: number): Promise<void> {
    await delay(Math.max(0, beganAt + step.atMs - machineNow()));
    const at = machineNow();
    if (step.fault === "restart-server") await this.#startServer();
    else await applyFault(this.#lab, step.fault, step.parameters);
    // A fault begins somewhere between `at` and now, a cure works from now on at the latest.
    this.#strikes.push({ step, at: step.as === "cure" ? machineNow() : at });
  }

  async #startServer(): Promise<void> {
    await this.#ready(this.#start("server-20", ["server", this.#peer, LOCAL_URL], []));
  }

  #start(node: NodeName, [role, ...words]: readonly string[], rest: readonly string[]): ChildProcess {
    const load = [String(this.#calls), String(CALLS_PER_SECOND)];
    const program = [
      process.execPath,
      "--conditions=duowire-source",
      "--import",
      "tsx",
      `${labDirectory}judge/actor.ts`,
    ];
    const child = this.#lab.spawn(node, [...program, role ?? "", ...words, ...load, ...rest], ["pipe", "pipe", "pipe"]);
    child.stdin?.on("error", () => undefined);
    child.stderr?.on("data", (octets) => {
      this.#complaints = `${this.#complaints}${node}: ${octets}`.slice(0, 20_000);
    });
    if (child.stdout) createInterface({ input: child.stdout }).on("line", (text) => this.#read(text));
    return child;
  }

  #read(text: string): void {
    if (!text.startsWith("{")) {
      this.#complaints += `${text}\n`;
      return;
    }
    const line: Line = JSON.parse(text);
    this.#lines.push(line);
    if (line.kind === "made") this.#made += 1;
    if (line.kind === "settled") this.#settled += 1;
  }

  #ready(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`an actor did not start: ${this.#complaints}`)), READY_MS);
      child.stdout?.once("data", () => {
        clearTimeout(timer);
        resolve();
      });
      child.once("exit", () => {
        clearTimeout(timer);
        reject(new Error(`an actor ended: ${this.#complaints}`));
      });
    });
  }

  /** Until every call that was to be made has settled, or patience is at its end. */
  async #untilSettled(lastCallAt: number): Promise<void> {
    const expected = this.#calls * 2 * this.#clients.length;
    while (machineNow() < lastCallAt + PATIENCE_MS) {
      await delay(100);
      const quiet = machineNow() > lastCallAt + 500 && this.#settled >= this.#made;
      if (this.#settled >= expected || (quiet && this.#closed() && machineNow() > lastCallAt + 2_000)) return;
    }
  }

  #closed(): boolean {
    return this.#lines.some((line) => line.kind === "closed");
  }
}
