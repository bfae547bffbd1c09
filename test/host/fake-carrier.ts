import type { Socket } from "node:net";
import { type Deferred, deferred } from "../../src/base/deferred.js";
import type { Carrier, CarrierEnd, CarrierOptions, KillCause } from "../../src/host/carrier.js";
import { explainEnd } from "../../src/host/carrier-end.js";
import type { FromCarrier, ToCarrier } from "../../src/host/carrier-messages.js";

/** A carrier that does what a test says. Until told otherwise it answers pings, and leaves when it is told to. */
export class FakeCarrier implements Carrier {
  readonly kind = "process";
  readonly loading: Deferred<void> = deferred();
  readonly ready = this.loading.promise;
  readonly ending: Deferred<CarrierEnd> = deferred();
  readonly ended = this.ending.promise;
  readonly posted: ToCarrier[] = [];
  killedFor: string | undefined;
  answers = true;
  private readonly listeners: ((message: FromCarrier) => void)[] = [];

  private killed: { cause: KillCause; reason: string } | undefined;

  constructor(
    readonly number: number,
    private readonly options: CarrierOptions,
  ) {}

  post(message: ToCarrier, _socket?: Socket): void {
    this.posted.push(message);
    if (!this.answers) return;
    if (message.type === "leave") this.end({ code: 0 });
    if (message.type === "ping")
      this.say({ type: "pong", number: message.number, heapBytes: 0, rssBytes: 0, figures: [] });
  }

  listen(receive: (message: FromCarrier) => void): void {
    this.listeners.push(receive);
  }

  kill(reason: string, cause: KillCause = "stopped"): void {
    this.killedFor = reason;
    this.killed ??= { cause, reason };
    this.end({ signal: "SIGKILL" });
  }

  end({ code, signal, error }: { code?: number; signal?: string; error?: unknown }): void {
    this.ending.resolve(explainEnd({ code, signal, error }, { limits: this.options.limits, killed: this.killed }));
  }

  private say(message: FromCarrier): void {
    for (const listener of this.listeners) listener(message);
  }
}
