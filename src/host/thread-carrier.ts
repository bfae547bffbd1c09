/** A carrier that is a worker thread of this process: messages go over its port. */
import { Worker } from "node:worker_threads";
import { type Deferred, deferred } from "../base/deferred.js";
import type { Carrier, CarrierEnd, CarrierOptions, KillCause } from "./carrier.js";
import { type EndKnowledge, explainEnd } from "./carrier-end.js";
import { type CarrierLimits, threadLimits } from "./carrier-limits.js";
import { BAD_MESSAGE, CarrierListeners } from "./carrier-listeners.js";
import type { FromCarrier, ToCarrier } from "./carrier-messages.js";
import { carrierFlags, carrierProgram } from "./carrier-program.js";
import { cloneable } from "./cloneable.js";
import { neverThrowing } from "./failed-carrier.js";
import { Readiness } from "./readiness.js";

/**
 * How long a thread that was killed may take to end. One that waits in a system call (a named pipe, `execSync`, an
 * add-on) ends behind that, whenever that is: nothing can stop it, but nobody has to wait for it either.
 */
const TERMINATE_MS = 1_000;

/** Starts a worker thread. */
export const startThread = neverThrowing("thread", (options) => new ThreadCarrier(options));

class ThreadCarrier implements Carrier {
  readonly kind = "thread";
  readonly number: number;
  readonly ended: Promise<CarrierEnd>;
  private readonly worker: Worker;
  private readonly readiness: Readiness;
  private readonly end: Deferred<CarrierEnd> = deferred();
  readonly limits: CarrierLimits;
  killed: EndKnowledge["killed"];
  private error: unknown;
  private graceTimer: NodeJS.Timeout | undefined;
  private readonly listeners = new CarrierListeners((error) => {
    this.error = error;
    this.kill(BAD_MESSAGE, "bad_message");
  });

  constructor({ module, execArgv, env, limits = {} }: CarrierOptions) {
    this.limits = limits;
    this.ended = this.end.promise;
    this.readiness = new Readiness(module, this.ended);
    const flags = carrierFlags("thread", execArgv);
    this.worker = new Worker(carrierProgram("thread"), {
      argv: [module.href],
      ...(flags && { execArgv: flags }),
      resourceLimits: threadLimits(limits),
      ...(env && { env: env as NodeJS.ProcessEnv }),
    });
    const { worker } = this;
    this.number = worker.threadId;
    this.listeners.add((message) => this.readiness.receive(message));
    worker.on("message", (message) => this.listeners.receive(message));
    worker.on("error", (error: unknown) => {
      this.error = error;
    });
    worker.once("exit", (code) => this.over(code));
  }

  get ready(): Promise<void> {
    return this.readiness.ready;
  }

  listen(receive: (message: FromCarrier) => void): void {
    this.listeners.add(receive);
  }

  post(message: ToCarrier): void {
    this.worker.postMessage(cloneable(message));
  }

  kill(reason: string, cause: KillCause = "stopped"): void {
    this.killed ??= { cause, reason };
    void this.worker.terminate();
    this.graceTimer ??= setTimeout(() => {
      this.worker.unref();
      this.over(undefined);
    }, TERMINATE_MS);
  }

  /** It has ended, or is given up: what comes later changes nothing. */
  private over(code: number | undefined): void {
    clearTimeout(this.graceTimer);
    this.end.resolve(explainEnd({ code, signal: undefined, error: this.error }, this));
  }
}
