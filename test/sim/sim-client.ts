/** One client of a history: its machine, its path, its sessions, and what it and its server send each other. */
import type { DuowireError } from "../../src/base/errors.js";
import type { SimApplication } from "./application.js";
import { type ClientSettings, SimSession } from "./client.js";
import { Path } from "./path.js";
import type { Burst, Plan } from "./plan.js";
import { Random } from "./random.js";
import type { SimProcess } from "./server.js";
import type { Simulation } from "./simulation.js";
import { Machine } from "./world.js";

/** A burst that finds nobody to send it is tried again after this long. */
const AGAIN_MS = 150;
const REST_MS_MAX = 400;
const LAST_WORD_BYTES = 2_000;

/** A client and everything that is its own. */
export class SimClient {
  readonly machine: Machine;
  readonly path: Path;
  readonly random: Random;
  readonly settings: ClientSettings;
  readonly sessions: SimSession[] = [];
  /** Bursts that have not been sent yet. */
  pending: number;
  /** Messages that were sent from here, and to here. */
  readonly sent = { client: 0, server: 0 };
  private readonly plan: Plan;

  constructor(
    private readonly simulation: Simulation,
    number: number,
    traffic: readonly Burst[],
  ) {
    const { world, plan } = simulation;
    this.plan = plan;
    this.random = new Random(world.random.seed, `client machine ${number}`);
    this.machine = new Machine(world, `client-machine.${number}`);
    this.path = new Path(world, this.machine, () => simulation.server, simulation.checker);
    this.path.repeatMsMax = Math.min(20_000, plan.leaseMs * 0.8);
    this.machine.woke = () => {
      // A platform does not always tell.
      if (this.random.chance(0.8)) this.session.communication.wake();
    };
    this.settings = {
      world,
      machine: this.machine,
      path: this.path,
      checker: simulation.checker,
      limits: plan.limits,
      queueBytesMax: plan.queueBytesMax,
      hasExchange: plan.hasExchange,
      isAccompanied: plan.isAccompanied,
      nextConversation: () => simulation.nextConversation(),
    };
    this.pending = traffic.length;
    this.begin();
    for (const burst of traffic) world.at(burst.at, () => this.send(burst, burst.count));
  }

  /** The session that goes on, or the last one that did. */
  get session(): SimSession {
    return this.sessions.at(-1) as SimSession;
  }

  /** The server's half of that session, if there is one. */
  get process(): SimProcess | undefined {
    return this.simulation.processOf(this.session.conversation);
  }

  /** One more question each way, so that something is outstanding: too long for a companion to carry. */
  lastWords(): void {
    this.pending += 2;
    this.send({ at: 0, from: "client", count: 1, length: LAST_WORD_BYTES }, 1);
    this.send({ at: 0, from: "server", count: 1, length: LAST_WORD_BYTES }, 1);
  }

  /** The link that is attached is cut, and nobody is told. */
  loseLink(): void {
    for (const { up, down } of this.path.connections) {
      up.cut();
      down.cut();
    }
  }

  private begin(): void {
    this.sessions.push(new SimSession(this.settings, (session, reason) => this.ended(session, reason)));
  }

  private ended(session: SimSession, reason: DuowireError): void {
    this.simulation.clientEnded(this, session, reason);
    if (this.simulation.isEnding) return;
    this.machine.arrive(() => this.begin(), this.random.between(0, REST_MS_MAX));
  }

  /** Sends what is left of a burst, as far as the queue takes it. */
  private send(burst: Burst, left: number): void {
    const sender = burst.from === "client" ? this.session.application : this.process?.applications.at(-1);
    const machine = burst.from === "client" ? this.machine : this.simulation.server.machine;
    const later = (rest: number) => this.simulation.world.after(AGAIN_MS, () => this.send(burst, rest));
    if (machine.isAsleep || machine.isCrashed || sender?.isOver !== false) {
      later(left);
      return;
    }
    for (let rest = left; rest > 0; rest--) {
      if (!this.sendOne(sender, burst.length)) {
        later(rest);
        return;
      }
      this.sent[burst.from] += 1;
    }
    this.pending -= 1;
  }

  private sendOne(sender: SimApplication, fixedLength?: number): boolean {
    const { random, plan } = this;
    if (fixedLength !== undefined) return sender.send("short", fixedLength, "question");
    const kind = random.next();
    if (kind < 0.12) {
      sender.sendUrgent(14 + random.below(200));
      return true;
    }
    if (plan.isHeavy && kind < 0.17 && sender.knowsLimits) return sender.send("long", 66_561 + random.below(40_000));
    if (plan.isHeavy && kind < 0.27) return sender.send("short", 5_000 + random.below(50_000));
    const length = kind < 0.33 ? 14 + random.below(3_000) : 14 + random.below(80);
    return sender.send("short", length, random.chance(0.15) ? "question" : "plain");
  }
}
