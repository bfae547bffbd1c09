/**
 * One seed, one history: clients and a server, faults, then peace, in which everything must arrive, and then an end,
 * after which nothing may be left.
 */
import type { DuowireError } from "../../src/base/errors.js";
import { SimApplication } from "./application.js";
import { Checker } from "./checker.js";
import { conversationOf, type SimSession } from "./client.js";
import type { End } from "./end.js";
import { endHistory } from "./ending.js";
import { demand, SimulationFailure } from "./failure.js";
import { applyFault, choosePointFault } from "./faults.js";
import { resetConnections } from "./network.js";
import { type CoreView, type Party, viewOf } from "./party.js";
import { type OpeningFault, openingFaults, Path } from "./path.js";
import { drawPlan, drawTraffic, MESSAGES_MIN, type Plan } from "./plan.js";
import { Random } from "./random.js";
import { promiseFailures, SimProcess, SimServer } from "./server.js";
import { SimClient } from "./sim-client.js";
import { Trace } from "./trace.js";
import { checkClientEnd, checkServerEnd } from "./verdicts.js";
import { Machine, World } from "./world.js";

/** After the last fault, everything is delivered within this long. */
export const PEACE_MS_MAX = 45_000;
/** How many microtasks a chain of promises of ours takes at most. */
const MICROTASKS = 12;

/** What a history came to. */
export interface Outcome {
  readonly seed: number;
  readonly hash: number;
  readonly events: number;
  readonly links: number;
  readonly deliveries: number;
  /** How long it took after the last fault until everything was delivered. */
  readonly recoveryMs: number;
  /** How often each fault met each state of the session that it happened to, as `fault state`; and other marks. */
  readonly counts: ReadonlyMap<string, number>;
}

/** One history as it goes on. */
export class Simulation {
  readonly world: World;
  readonly plan: Plan;
  readonly checker: Checker;
  readonly counts = new Map<string, number>();
  readonly clients: SimClient[] = [];
  server: SimServer;
  /** Sessions that end are not followed by new ones. */
  isEnding = false;
  private isFaulty = true;
  private conversations = 0;
  private readonly processes = new Map<number, SimProcess[]>();
  readonly random: Random;
  /** Somebody else's machine. */
  readonly stranger: Machine;

  constructor(
    readonly seed: number,
    readonly trace: Trace,
  ) {
    resetConnections();
    promiseFailures.length = 0;
    this.world = new World(new Random(seed, "world"), trace);
    this.random = new Random(seed, "faults");
    this.plan = drawPlan(new Random(seed, "plan"));
    this.stranger = new Machine(this.world, "stranger");
    this.checker = new Checker(
      new Random(seed, "checker"),
      trace.isOn,
      partyOf,
      (who, what) => trace.line(this.world.now, who, what),
      (mark) => this.count(mark),
    );
    this.server = this.startServer(0, seed);
    if (trace.isOn) trace.line(0, "plan", JSON.stringify({ ...this.plan, faultTimes: this.plan.faultTimes.length }));
    const traffic = new Random(seed, "traffic");
    for (let i = 1; i <= this.plan.clients; i++) {
      const client = new SimClient(this, i, drawTraffic(traffic, this.plan));
      client.path.nextOpening = () => this.nextOpening(client);
      this.clients.push(client);
    }
    for (const at of this.plan.faultTimes) this.world.at(at, () => this.fault());
  }

  /** Lets everything happen, and returns what came of it; throws a {@link SimulationFailure}. */
  async run(): Promise<Outcome> {
    await this.until(this.plan.faultyMs, () => false);
    if (this.random.chance(0.5)) this.fault();
    await this.until(this.world.now, () => false);
    this.makePeace();
    const peaceAt = this.world.now;
    this.lastWords();
    await this.until(peaceAt + PEACE_MS_MAX, () => this.isDelivered());
    const recoveryMs = this.world.now - peaceAt;
    demand(this.isDelivered(), "hangs", () => this.undelivered());
    for (const { sent } of this.clients) {
      const enough = sent.client >= MESSAGES_MIN && sent.server >= MESSAGES_MIN;
      demand(enough, "plan", () => `only ${JSON.stringify(sent)} messages were sent`);
    }
    await endHistory(this);
    const { hash } = this.trace;
    const { events } = this.world;
    const { deliveries } = this.checker;
    return { seed: this.seed, hash, events, links: 0, deliveries, recoveryMs, counts: this.counts };
  }

  count(mark: string): void {
    this.counts.set(mark, (this.counts.get(mark) ?? 0) + 1);
  }

  nextConversation(): number {
    this.conversations += 1;
    return this.conversations;
  }

  /** The process that serves a conversation: the newest that was generated for it. */
  processOf(conversation: number): SimProcess | undefined {
    return this.processes.get(conversation)?.at(-1);
  }

  /** The server dies, with all its processes, and another one starts after a while. */
  restart(newSecret: boolean, downMs: number): boolean {
    const { server, world } = this;
    if (!server.isListening) return false;
    server.crash();
    for (const { path } of this.clients) {
      for (const connection of path.connections) {
        const told = this.random.chance(0.7) ? this.random.between(0, 100) : this.random.spread(100, 30_000);
        connection.client.die("the server's machine answers with a reset", "lost", told);
      }
    }
    world.after(downMs, () => {
      this.server = this.startServer(server.life + 1, newSecret ? this.random.below(1e9) : server.secret);
    });
    return true;
  }

  clientEnded(client: SimClient, session: SimSession, reason: DuowireError): void {
    checkClientEnd(this, client, session, reason);
  }

  private startServer(life: number, secret: number): SimServer {
    const { limits, queueBytesMax, leaseMs } = this.plan;
    return new SimServer(
      this.world,
      {
        limits,
        queueBytesMax,
        leaseMs,
        application: (process, outgoing, wake) => {
          const isFirst = process.applications.length === 0;
          const conversation = isFirst ? conversationOf(process.nonce) : (process.rival ?? 0);
          const party = this.checker.party("server", conversation, process.server.machine, queueBytesMax);
          party.core = () => coreOf(process, party);
          return new SimApplication(party, outgoing, wake);
        },
        generated: (process) => this.generated(process),
        ended: (process, reason) => checkServerEnd(this, process, reason),
      },
      life,
      secret,
    );
  }

  private generated(process: SimProcess): void {
    const conversation = conversationOf(process.nonce);
    const before = this.processes.get(conversation) ?? [];
    const twice = before.some(({ server }) => server === process.server);
    demand(!twice, "access_twice", () => `one access has two processes, ${before.length + 1} in all`);
    this.processes.set(conversation, [...before, process]);
  }

  private nextOpening(client: SimClient): OpeningFault | undefined {
    const { plan, random } = this;
    if (!this.isFaulty || !random.chance(plan.openingRate)) return undefined;
    const choice = openingFaults.filter((kind) => plan.faultKinds.includes(kind));
    if (choice.length === 0) return undefined;
    const kind = random.pick(choice);
    this.count(`${kind} ${client.session.state}`);
    return kind;
  }

  private fault(): void {
    const kind = choosePointFault(this.random, this.plan.faultKinds);
    const client = this.random.pick(this.clients);
    if (kind === undefined) return;
    const { state } = client.session;
    if (!applyFault(kind, client, this)) return;
    this.trace.line(this.world.now, "fault", `${kind} (${state})`);
    this.count(`${kind} ${state}`);
  }

  /** A way of a stranger to the server, as good as a client's own. */
  pathOf(machine: Machine, like: Path): Path {
    const path = new Path(this.world, machine, () => this.server, this.checker);
    path.latencyMs = like.latencyMs;
    return path;
  }

  /** Some more faults, while sessions close. */
  faultsAgain(): void {
    this.isFaulty = true;
    for (let i = 0; i < 4; i++) this.world.after(this.random.spread(0.1, 1_000), () => this.fault());
  }

  /** No more faults. What is broken stays broken until somebody notices. */
  makePeace(): void {
    const { world } = this;
    this.trace.line(world.now, "peace", "");
    this.isFaulty = false;
    for (const { path } of this.clients) {
      path.downUntil = Math.min(path.downUntil, world.now);
      for (const { up, down } of path.connections) {
        up.stalledUntil = Math.min(up.stalledUntil, world.now);
        down.stalledUntil = Math.min(down.stalledUntil, world.now);
      }
    }
  }

  /** Something is outstanding in both directions when the faults are over. */
  private lastWords(): void {
    for (const client of this.clients) client.lastWords();
  }

  private isDelivered(): boolean {
    const isDone = (client: SimClient) => {
      const { session, pending, process } = client;
      const isOurs = process?.server === this.server && session.state === "open";
      return pending === 0 && isOurs && this.partiesOf(client).every((party) => party.isDelivered);
    };
    return this.clients.every(isDone);
  }

  private undelivered(): string {
    const lacking = this.clients.flatMap((client) => this.partiesOf(client)).filter((party) => !party.isDelivered);
    const pending = this.clients.map(({ pending, session }) => `${pending} bursts to send, ${session.state}`);
    const lines = lacking.map(
      ({ name, sentCount, gotCount }) =>
        `${name} sent ${JSON.stringify(sentCount)}, delivered ${JSON.stringify(gotCount)}`,
    );
    return `${PEACE_MS_MAX} ms after the last fault: ${[...pending, ...lines].join("; ")}`;
  }

  private partiesOf({ session }: SimClient): Party[] {
    const server = this.processOf(session.conversation)?.applications[0]?.party;
    return server === undefined ? [session.party] : [session.party, server];
  }

  async until(end: number, isDone: () => boolean): Promise<void> {
    const { world } = this;
    while (!isDone() && world.step(end)) {
      if (!world.promisesWait) continue;
      world.promisesWait = false;
      for (let i = 0; i < MICROTASKS; i++) await undefined;
      if (promiseFailures.length > 0) throw promiseFailures[0];
    }
  }
}

/** The figures of a process's core, while `party` is the one it talks for. */
function coreOf(process: SimProcess, party: Party): CoreView | undefined {
  if (process.applications.at(-1)?.party !== party) return undefined;
  return viewOf(process.reception.conversation.session);
}

function partyOf(end: End): Party | undefined {
  if (end.owner instanceof SimProcess) return end.owner.applications.at(-1)?.party;
  return end.owner as Party | undefined;
}

/** Simulates one seed. */
export function simulate(seed: number, print?: (line: string) => void): Promise<Outcome> {
  return new Simulation(seed, new Trace(print)).run();
}
