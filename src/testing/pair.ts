/** A service and a client in one process, joined by a network in memory that fails when a test says so. */
import type { Access, CommunicationProcess, ProcessGrounds, ProcessObserver } from "../access/communication-process.js";
import { ConnectionAddress } from "../access/connection-address.js";
import { ProcessList } from "../access/process-generation.js";
import { type Clock, platformRandom, systemClock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { ClientSession, type ConnectOptions } from "../client/session.js";
import type { AccessFrame } from "../frame/control.js";
import { defaultLimits } from "../frame/limits.js";
import { inline, type ServiceClass } from "../host/inline.js";
import { deriveSecrets } from "../host/secrets.js";
import type { Interceptor } from "../rpc/interceptors.js";
import type { ServiceSession } from "../rpc/service.js";
import type { ClientOf } from "../rpc/types.js";
import { GroupList } from "../server/group-list.js";
import { TestNetwork } from "./network.js";

/** What a pair takes. `queueBytesMax` holds for both ends. */
export interface PairOptions<Service extends object> extends ConnectOptions<ClientOf<Service>> {
  /** Default: the system's. With a VirtualClock, outages and time limits pass when the test says so. */
  readonly clock?: Clock;
  /** How long the session outlives its links. 120,000 ms. */
  readonly leaseMs?: number;
  /** Is told what the service threw. Default: nobody. */
  readonly onError?: (error: unknown, method: string) => void;
  /** As those of `serve`; `interceptors` are the client's. None. */
  readonly serverInterceptors?: readonly Interceptor<ServiceSession>[];
  /** As that of `serve`. false. */
  readonly errorStacks?: boolean;
}

/** A session with its service, and the network between them. */
export interface TestPair<Service extends object> extends AsyncDisposable {
  readonly session: ClientSession<Service>;
  readonly network: TestNetwork;
  /** The communication process; undefined until the access has been answered. */
  readonly process: CommunicationProcess | undefined;
}

const ADDRESS = ConnectionAddress.parse("http://192.0.2.1:9000/WAO");
const SECRET_BYTES = 32;

/**
 * Makes a session with an instance of `service`, without a socket. All of the library runs as it does in production,
 * but for the links.
 *
 * ```ts
 * await using pair = testPair(Desk, { clock });
 * const placed = pair.session.remote.place(order);
 * pair.network.drop();
 * await placed;
 * ```
 */
export function testPair<Service extends object>(
  service: new () => Service,
  options: PairOptions<Service> = {},
): TestPair<Service> {
  const { clock = systemClock } = options;
  const server = new TestServer(service as unknown as ServiceClass, clock, options);
  const network = new TestNetwork(clock, server);
  const parts = { clock, random: platformRandom, network: () => network };
  const session = new ClientSession<Service>(ADDRESS, options, parts);
  return {
    session,
    network,
    get process() {
      return server.process;
    },
    async [Symbol.asyncDispose]() {
      server.process?.end(new DuowireError("server_closed"));
      void session.close();
    },
  };
}

/** A server of one access. */
class TestServer {
  process: CommunicationProcess | undefined;
  private readonly grounds: ProcessGrounds;
  private readonly host;
  private readonly processes: ProcessList;
  private generation: Promise<CommunicationProcess> | undefined;
  private starts = 1;

  constructor(service: ServiceClass, clock: Clock, options: Omit<PairOptions<object>, "expose">) {
    this.host = inline(service, { interceptors: options.serverInterceptors });
    this.processes = new ProcessList({
      now: () => clock.monotonicMs(),
      attachDeadlineMs: Number.POSITIVE_INFINITY,
      noncesKeptMs: 0,
      noncesMax: 0,
      generated: () => undefined,
      ended: ({ access }) => groups.ended(access.id),
    });
    const observer: ProcessObserver = {
      stateChanged: ({ id }) => groups.stateChanged(id),
      serviceError: (_access, method, error) => options.onError?.(error, method),
      callFailed: () => undefined,
      bug: (_access, error) => options.onError?.(error, "bug"),
    };
    const groups = new GroupList(this.processes, clock, observer);
    this.grounds = {
      secrets: deriveSecrets(platformRandom(SECRET_BYTES)),
      leaseMs: options.leaseMs ?? 120_000,
      links: ["memory"],
      clock,
      random: platformRandom,
      limits: defaultLimits,
      queueBytesMax: options.queueBytesMax ?? defaultLimits.windowBytes,
      groups,
      errorStacks: options.errorStacks ?? false,
      observer,
    };
  }

  async access(frame: AccessFrame): Promise<CommunicationProcess> {
    const access = this.accessOf(frame);
    const order = { id: access.id, source: access.remoteAddress, nonce: undefined };
    this.generation ??= this.processes.generate(order, () => this.host.generate(access, this.grounds)).ready;
    this.process = await this.generation;
    return this.process;
  }

  find(id: string): CommunicationProcess | undefined {
    return this.process?.access.id === id ? this.process : undefined;
  }

  forget(): void {
    this.process?.end(new DuowireError("server_closed"));
    this.process = this.generation = undefined;
    this.starts += 1;
  }

  private accessOf(frame: AccessFrame): Access {
    const id = `WAO${this.starts}`;
    return {
      id,
      key: this.grounds.secrets.key(id),
      service: frame.service ?? "default",
      localAddress: `192.0.2.1:9000/${id}`,
      remoteAddress: "192.0.2.2",
      headers: {},
      query: "",
    };
  }
}
