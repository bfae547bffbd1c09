/** A client machine: the real client code over simulated links, one session after the other. */
import { inputsFirst } from "../../src/base/clock.js";
import type { DuowireError } from "../../src/base/errors.js";
import { alwaysEntered } from "../../src/client/access-turns.js";
import { Communication, type Network } from "../../src/client/communication.js";
import type { AnnouncedLimits } from "../../src/frame/limits.js";
import type { SessionState } from "../../src/session/states.js";
import { SimApplication } from "./application.js";
import type { Checker } from "./checker.js";
import { demand, SimulationFailure } from "./failure.js";
import { Connection, type Destination } from "./network.js";
import { type Party, viewOf } from "./party.js";
import type { Path } from "./path.js";
import { Random } from "./random.js";
import type { Machine, World } from "./world.js";

/** How long a first access may take before it is given up (D21). */
export const CONNECT_TIMEOUT_MS = 15_000;

/** What is the same for all sessions of one client. */
export interface ClientSettings {
  readonly world: World;
  readonly machine: Machine;
  readonly path: Path;
  readonly checker: Checker;
  readonly limits: AnnouncedLimits;
  readonly queueBytesMax: number;
  /** Links of requests, besides upgrades; without them plain HTTP only asks. */
  readonly hasExchange: boolean;
  readonly isAccompanied: boolean;
  /** Numbers the conversations of all clients. */
  readonly nextConversation: () => number;
}

/** A companion at the first word, on any way. */
const oftenAccompanied = { longMs: 0, lookMs: 150, writesMin: 1 };

/** The number of the conversation that stands in what a client drew as its nonce. */
export function conversationOf(nonce: Uint8Array): number {
  return Buffer.from(nonce).readUInt32BE(0);
}

/** Makes links for `party`. */
export function openLinks({ path, hasExchange }: ClientSettings, party: Party): Network {
  const open = (to: Destination) => {
    const { client } = new Connection(path, to);
    client.owner = party;
    return client;
  };
  return {
    access: () => open({ kind: "access" }),
    ask: (id, key, polls) => open({ kind: hasExchange ? "http-exchange" : "access", id, key, polls }),
    open: (id, admission) => open({ kind: "websocket", id, admission }),
    farewell: () => {},
    memory: path.memory,
    farMs: () => (path.latencyMs >= 50 ? 2 * path.latencyMs : 0),
    enter: alwaysEntered,
  };
}

/** One session of a client, from its first access to its end. */
export class SimSession {
  readonly conversation: number;
  readonly party: Party;
  readonly application: SimApplication;
  readonly communication: Communication;
  readonly startedAt: number;
  /** The same by the machine's clock. */
  readonly startedMs: number;
  /** The identification that the server notified. */
  id: string | undefined;
  /** When its owner wanted the end, by the machine's clock. */
  closeAskedMs: number | undefined;

  constructor(
    readonly settings: ClientSettings,
    ended: (session: SimSession, reason: DuowireError) => void,
  ) {
    const { world, machine, checker, limits, queueBytesMax } = settings;
    this.conversation = settings.nextConversation();
    this.startedAt = world.now;
    this.startedMs = machine.monotonicMs();
    this.party = checker.party("client", this.conversation, machine, queueBytesMax);
    const random = new Random(world.random.seed, `client ${this.conversation}`);
    let application: SimApplication | undefined;
    this.communication = new Communication({
      network: openLinks(settings, this.party),
      clock: inputsFirst(machine),
      random: (count) => {
        const octets = random.octets(count);
        if (count === 16) Buffer.from(octets.buffer).writeUInt32BE(this.conversation, 0);
        return octets;
      },
      limits,
      queueBytesMax,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      target: "http://server/WAO",
      ...(settings.isAccompanied && { companion: oftenAccompanied }),
      application: (outgoing, wake) => {
        application = new SimApplication(this.party, outgoing, wake);
        return application;
      },
      events: {
        identified: (id) => {
          this.id = id;
        },
        state: (state, reason) => {
          this.party.stateIs(state);
          if (state === "closed") ended(this, reason as DuowireError);
        },
        goingAway: () => undefined,
        link: () => {},
        suspect: (isSuspect) => this.suspectChanged(isSuspect),
        bug: (error) => {
          throw error instanceof SimulationFailure
            ? error
            : new SimulationFailure("bug", String((error as Error).stack));
        },
      },
    });
    this.application = application as unknown as SimApplication;
    const { session } = this.communication.driver;
    this.party.core = () => viewOf(session);
  }

  /** A path is not suspected while something waits here that may have come over it. */
  private suspectChanged(isSuspect: boolean): void {
    const { inputsWaiting } = this.settings.machine;
    demand(!isSuspect || inputsWaiting === 0, "haste", () => `a path is suspected, and ${inputsWaiting} inputs wait`);
  }

  get state(): SessionState {
    return this.communication.driver.session.state;
  }

  close(reason: DuowireError): void {
    this.closeAskedMs ??= this.settings.machine.monotonicMs();
    this.communication.close(reason);
  }
}
