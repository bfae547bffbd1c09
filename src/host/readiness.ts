/** Whether a carrier has loaded its service: the promise behind {@link Carrier.ready}. */
import { type Deferred, deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import { restoreError } from "./carried-error.js";
import type { CarrierEnd } from "./carrier.js";
import type { FromCarrier } from "./carrier-messages.js";

/** Made with a carrier; hears what it says until it has said `ready` or `unusable`, or has ended. */
export class Readiness {
  private readonly decision: Deferred<void> = deferred();

  constructor(
    private readonly module: URL,
    ended: Promise<CarrierEnd>,
  ) {
    void ended.then(({ reason, error }) => this.refuse(`the process ended while it loaded it (${reason})`, error));
  }

  get ready(): Promise<void> {
    return this.decision.promise;
  }

  receive(message: FromCarrier): void {
    if (message.type === "ready") this.decision.resolve();
    if (message.type !== "unusable") return;
    const error = restoreError(message.error);
    this.refuse(error.message, error);
  }

  private refuse(why: string, cause: unknown): void {
    const message = `the service module ${this.module.href} cannot be used: ${why}`;
    this.decision.reject(new DuowireError("service_failed", message, { side: "local", cause }));
  }
}
