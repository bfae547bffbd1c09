import { randomBytes } from "node:crypto";
import type { Access, ProcessGrounds } from "../../src/access/communication-process.js";
import type { Clock } from "../../src/base/clock.js";
import { deferred } from "../../src/base/deferred.js";
import { defaultLimits } from "../../src/frame/limits.js";
import { CarriedProcesses } from "../../src/host/carried-processes.js";
import type { Carrier, CarrierEnd } from "../../src/host/carrier.js";
import { channelTo } from "../../src/host/carrier-channel.js";
import type { FromCarrier, ToCarrier } from "../../src/host/carrier-messages.js";
import { FarProcess } from "../../src/host/far-process.js";
import type { ServiceClass } from "../../src/host/inline.js";
import { deriveSecrets } from "../../src/host/secrets.js";

/** A carrier within the test's own thread: the same messages between the same two ends, and it hangs when told to. */
export class LocalCarrier implements Carrier {
  readonly kind = "thread";
  readonly number = 1;
  readonly ready = Promise.resolve();
  readonly ended = deferred<CarrierEnd>().promise;
  /** What the server said and the carrier has not read: while it hangs, all. */
  readonly unread: ToCarrier[] = [];
  private readonly listeners: ((message: FromCarrier) => void)[] = [];
  private readonly processes: CarriedProcesses;
  private hangs = false;

  constructor(service: ServiceClass, clock: Clock) {
    this.processes = new CarriedProcesses(service, clock, (message) => {
      const copy = structuredClone(message);
      queueMicrotask(() => {
        for (const listener of this.listeners) listener(copy);
      });
    });
  }

  post(message: ToCarrier): void {
    this.unread.push(structuredClone(message));
    queueMicrotask(() => this.read());
  }

  listen(receive: (message: FromCarrier) => void): void {
    this.listeners.push(receive);
  }

  kill(): void {}

  hang(): void {
    this.hangs = true;
  }

  goOn(): void {
    this.hangs = false;
    this.read();
  }

  private read(): void {
    while (!this.hangs && this.unread.length > 0) this.processes.receive(this.unread.shift() as ToCarrier);
  }
}

let accesses = 0;

/** One session of a carrier, as the server has it; `released` is called when nothing of it is left. */
export function farProcess(carrier: Carrier, clock: Clock, released: () => void = () => undefined): FarProcess {
  accesses += 1;
  const access = { id: `WAO.${accesses}`, key: randomBytes(32), service: "default", headers: {} };
  const nothing = () => undefined;
  const observer = { serviceError: nothing, callFailed: nothing, stateChanged: nothing, bug: nothing };
  const grounds: Partial<ProcessGrounds> = {
    secrets: deriveSecrets(randomBytes(32)),
    leaseMs: 60_000,
    links: ["http-exchange"],
    clock,
    limits: defaultLimits,
    queueBytesMax: 1_048_576,
    observer,
    groups: {} as never,
  };
  return new FarProcess(access as unknown as Access, grounds as ProcessGrounds, channelTo(carrier), released);
}
