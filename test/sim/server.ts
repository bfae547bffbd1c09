/**
 * A whole server as the simulator runs it: the real acceptance, list of processes and receptions; what stands around
 * them (HTTP, upgrades, the sweep of overdue accesses) is written here again, as src/server does it over sockets.
 */
import { decideAccess } from "../../src/access/access-acceptance.js";
import type { Access, CommunicationProcess, ProcessState } from "../../src/access/communication-process.js";
import { ProcessList } from "../../src/access/process-generation.js";
import type { Secrets } from "../../src/access/secrets.js";
import { inputsFirst } from "../../src/base/clock.js";
import { DuowireError } from "../../src/base/errors.js";
import { MalformedOctets, sameOctets } from "../../src/base/octets.js";
import type { AccessFrame, AttachFrame } from "../../src/frame/control.js";
import { decodeFrames, frameLengthAt } from "../../src/frame/frame.js";
import type { AnnouncedLimits } from "../../src/frame/limits.js";
import type { Link, LinkEvents } from "../../src/frame/link.js";
import { Reception, refuseLink } from "../../src/host/reception.js";
import type { Outgoing } from "../../src/session/outgoing.js";
import type { SimApplication } from "./application.js";
import type { End } from "./end.js";
import { SimulationFailure } from "./failure.js";
import type { Destination } from "./network.js";
import type { ServerSide } from "./path.js";
import { Random } from "./random.js";
import { Machine, type World } from "./world.js";

/** How long a process waits for its first attach (D1). */
export const ATTACH_DEADLINE_MS = 15_000;
/** How long an answer to a POST stays open after its first octets, unless its calls are settled before (D4). */
const ANSWER_HOLD_MS = 100;
/**
 * A repeat may have been on its way this long, and says only how long before its departure the access was first tried:
 * so much must be added before a server may say that it would know it. The product does without, knowingly
 * (spec/access.md, section 3.3): this network keeps requests for longer than a client of the product gives them.
 */
const TRANSIT_MS_MAX = 10_000;
const SECRET_BYTES = 32;
/** An access may be on its way for longer than the shortest lease, and must find the process that its repeat made. */
const NONCES_KEPT_MS_MIN = 60_000;
const NO_KEY = new Uint8Array(SECRET_BYTES);
const GENERATION_MS_MAX = 300;

/** What is fixed for one history. */
export interface ServerSettings {
  readonly limits: AnnouncedLimits;
  readonly queueBytesMax: number;
  readonly leaseMs: number;
  /** Makes the server's half of the conversation that an access begins, or, without a nonce, one of a rival. */
  readonly application: (process: SimProcess, outgoing: Outgoing, wake: () => void) => SimApplication;
  /** A process was generated for the access with this nonce. */
  readonly generated: (process: SimProcess) => void;
  readonly ended: (process: SimProcess, reason: DuowireError) => void;
}

/** One communication process. */
export class SimProcess implements CommunicationProcess {
  readonly ended: Promise<DuowireError>;
  readonly linkKind = undefined;
  readonly client = undefined;
  readonly callEncoded = () => Promise.reject(new Error("the simulator calls nobody from outside"));
  readonly reception: Reception;
  /** The conversations that it had: a second one when another client took over. */
  readonly applications: SimApplication[] = [];
  endReason: DuowireError | undefined;
  endedAt: number | undefined;
  wasAttached = false;
  /** The conversation of a rival that is about to take over. */
  rival: number | undefined;
  readonly startedAt: number;
  private settle: (reason: DuowireError) => void = () => {};

  constructor(
    readonly access: Access,
    readonly nonce: Uint8Array,
    readonly server: SimServer,
  ) {
    const { settings, machine, secrets } = server;
    this.startedAt = machine.world.now;
    this.ended = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.reception = new Reception({
      ...settings,
      clock: inputsFirst(machine),
      secrets,
      links: ["websocket"],
      access,
      application: (outgoing, wake) => {
        const application = settings.application(this, outgoing, wake);
        this.applications.push(application);
        return application;
      },
      events: {
        state: (state) => {
          if (state === "open") this.wasAttached = true;
        },
        ended: (reason) => this.end_(reason),
        turnEnded: () => undefined,
        bug: (error) => {
          throw error instanceof SimulationFailure ? error : new SimulationFailure("bug", String(error));
        },
      },
    });
  }

  get state(): ProcessState {
    return this.reception.state;
  }

  accept(link: Link, proof?: AccessFrame): void {
    this.reception.accept(link, proof);
  }

  admits(admission: string): boolean {
    return this.reception.admits(admission);
  }

  fetch(): Promise<Response> {
    throw new SimulationFailure("bug", "hypertext is not simulated");
  }

  end(reason: DuowireError): void {
    this.reception.end(reason);
  }

  private end_(reason: DuowireError): void {
    const { world } = this.server.machine;
    this.endReason = reason;
    this.endedAt = world.now;
    world.promisesWait = true;
    this.settle(reason);
    this.server.settings.ended(this, reason);
  }
}

/** One life of a server, from its start to its death. */
export class SimServer implements ServerSide {
  readonly startedAt: number;
  private readonly startedMs: number;
  readonly machine: Machine;
  readonly secrets: Secrets;
  readonly processes: ProcessList;
  /** Every process of this life, by identification. */
  readonly all = new Map<string, SimProcess>();
  isListening = true;
  private made = 0;
  private cancelSweep: (() => void) | undefined;

  constructor(
    world: World,
    readonly settings: ServerSettings,
    readonly life: number,
    readonly secret: number,
  ) {
    this.startedAt = world.now;
    this.machine = new Machine(world, `server.${life}`);
    this.startedMs = this.machine.monotonicMs();
    this.secrets = simulatedSecrets(secret);
    this.processes = new ProcessList({
      now: () => this.machine.monotonicMs(),
      attachDeadlineMs: ATTACH_DEADLINE_MS,
      noncesKeptMs: Math.max(settings.leaseMs, NONCES_KEPT_MS_MIN),
      noncesMax: 1_000,
      generated: () => this.planSweep(),
      ended: () => {
        if (this.processes.size > 0) return;
        this.cancelSweep?.();
        this.cancelSweep = undefined;
      },
    });
  }

  upgrade(link: End, { id = "", admission = "" }: Destination): boolean {
    const process = this.all.get(id);
    if (this.processes.get(id)?.process !== process || !process?.admits(admission)) return false;
    link.owner = process;
    process.accept(link);
    return true;
  }

  exchange(link: End, { id = "", key = NO_KEY }: Destination): void {
    const process = this.processes.get(id)?.process;
    const code = process === undefined ? "session_ended" : "session_unknown";
    if (process === undefined || !this.secrets.keyFits(id, key)) {
      return refuseLink(link, this.secrets.keyFits(id, key) ? code : "session_unknown", "this address is not yours");
    }
    link.owner = process;
    process.accept(link);
  }

  post(link: End, body: Uint8Array, id: string | undefined): void {
    try {
      const { first, rest } = readFirst(body);
      if (id === undefined) this.postAccess(link, first, rest);
      else this.postAttach(link, first, body, id);
    } catch (error) {
      if (!(error instanceof DuowireError)) throw error;
      refuseLink(link, error.code, error.message);
    }
  }

  /** Everything that runs here is gone. */
  crash(): void {
    this.isListening = false;
    this.machine.crash();
  }

  private postAccess(link: End, frame: AccessFrame | AttachFrame, early: Uint8Array): void {
    if (frame.type !== "access") throw new DuowireError("bad_request");
    const { processes, machine, settings } = this;
    const nonce = Buffer.from(frame.nonce).toString("hex");
    const decision = decideAccess(
      { nonce, service: frame.service, triedMsAgo: frame.triedMsAgo },
      {
        nowMs: machine.monotonicMs(),
        closing: false,
        services: ["service"],
        sessions: processes.size,
        waitingFromSource: processes.waitingFrom("client"),
        sessionsFromSource: processes.from("client"),
        sourceWaitMs: 0,
        startWaitMs: 0,
        known: processes.known(nonce),
        knownSinceMs: this.knownSinceMs(),
      },
      { sessionsMax: 1_000, waitingPerSourceMax: 100, sessionsPerSourceMax: 1_000 },
    );
    if (decision.kind === "refuse") throw decision.error;
    machine.world.promisesWait = true;
    const accept = (process: CommunicationProcess) => {
      link.owner = process;
      process.accept(new Answer(link, machine, early), frame);
    };
    if (decision.kind === "repeat") {
      void processes.get(decision.id)?.ready.then(accept).catch(fail);
      return;
    }
    const id = `WAO.${this.life}.${++this.made}`;
    const process = new SimProcess(accessOf(id, this.secrets), frame.nonce, this);
    this.all.set(id, process);
    settings.generated(process);
    const make = () =>
      new Promise<CommunicationProcess>((resolve) => {
        machine.arrive(
          () => {
            resolve(process);
            machine.world.promisesWait = true;
          },
          machine.world.random.spread(0.1, GENERATION_MS_MAX),
        );
      });
    const order = { id, source: "client", nonce };
    void processes.generate(order, make).ready.then(accept).catch(fail);
  }

  /** Whether an access that was first tried at `at` may have been here without this server's knowing. */
  mayHaveForgotten(at: number): boolean {
    const { machine } = this;
    return machine.world.now - at >= (machine.monotonicMs() - this.knownSinceMs()) * 0.99;
  }

  /** The first server of a history has been there for long. */
  knownSinceMs(): number {
    const { knownSinceMs } = this.processes;
    return this.life === 0 && knownSinceMs === this.startedMs ? knownSinceMs : knownSinceMs + TRANSIT_MS_MAX;
  }

  private postAttach(link: End, first: AccessFrame | AttachFrame, body: Uint8Array, id: string): void {
    if (first.type !== "attach" || !this.secrets.keyFits(id, first.key)) throw new DuowireError("session_unknown");
    const process = this.processes.get(id)?.process;
    if (process === undefined) throw new DuowireError("session_ended");
    link.owner = process;
    process.accept(new Answer(link, this.machine, body));
  }

  private planSweep(): void {
    if (this.cancelSweep !== undefined) return;
    const deadlineMs = this.processes.nextDeadlineMs;
    if (deadlineMs === undefined) return;
    this.cancelSweep = this.machine.after(deadlineMs - this.machine.monotonicMs(), () => {
      this.cancelSweep = undefined;
      for (const id of this.processes.overdue()) this.processes.end(id, new DuowireError("attach_timeout"));
      this.planSweep();
    });
  }
}

/** Errors inside of promises reach the simulator through here. */
export const promiseFailures: unknown[] = [];
const fail = (error: unknown) => void promiseFailures.push(error);

/** The answer to a POST: what the body brought comes first, and it stays open for a moment after its first octets. */
class Answer implements Link {
  readonly kind = "access";
  private isHeld = false;

  constructor(
    private readonly end: End,
    private readonly machine: Machine,
    private readonly early: Uint8Array,
  ) {}

  get queuedBytes(): number {
    return this.end.queuedBytes;
  }

  listen(events: LinkEvents): void {
    this.end.listen(events);
    if (this.early.length > 0) this.machine.arrive(() => this.end.receive(this.early), 0);
  }

  send(octets: Uint8Array): void {
    this.end.send(octets);
    if (this.isHeld) return;
    this.isHeld = true;
    const holdMs = this.machine.world.random.chance(0.5) ? ANSWER_HOLD_MS : 0;
    this.machine.arrive(() => this.end.close("its calls are settled, or it was held long enough"), holdMs);
  }

  close(reason: string): void {
    this.end.close(reason);
  }
}

function readFirst(body: Uint8Array): { first: AccessFrame | AttachFrame; rest: Uint8Array } {
  const length = frameLengthAt(body, 0) ?? 0;
  const frames: unknown[] = [];
  try {
    decodeFrames(body.subarray(0, length), (frame) => frames.push(frame));
  } catch (error) {
    if (!(error instanceof MalformedOctets)) throw error;
  }
  const [first] = frames as [AccessFrame | AttachFrame | undefined];
  if (first?.type !== "access" && first?.type !== "attach") throw new DuowireError("bad_request");
  return { first, rest: body.subarray(length) };
}

function accessOf(id: string, secrets: Secrets): Access {
  const addresses = { localAddress: "192.0.2.1", remoteAddress: "198.51.100.1" };
  return { id, key: secrets.key(id), service: "service", ...addresses, headers: {}, query: "" };
}

/** Keys and tokens that are right or wrong like real ones, and cost nothing. */
function simulatedSecrets(secret: number): Secrets {
  const never = (): never => {
    throw new SimulationFailure("bug", "hypertext is not simulated");
  };
  const key = (id: string) => new Random(secret, `key of ${id}`).octets(SECRET_BYTES);
  const admission = (id: string, attach: number) => `${attach}.${secret}.${id}`;
  return {
    key,
    keyFits: (id, shown) => sameOctets(key(id), shown),
    admission,
    admissionNumber: (id, token) => {
      const attach = Number.parseInt(token, 10);
      return token === admission(id, attach) ? attach : undefined;
    },
    session: never,
    doorToken: never,
    doorTokenFits: never,
    signPath: never,
    signedPath: never,
  };
}
