/** A carrier that is an operating-system process: messages go over Node's IPC channel, and sockets along with them. */

import { type ChildProcess, fork, type Serializable } from "node:child_process";
import type { Socket } from "node:net";
import { platform } from "node:os";
import { type Deferred, deferred } from "../base/deferred.js";
import { restoreError } from "./carried-error.js";
import type { Carrier, CarrierEnd, CarrierOptions, KillCause } from "./carrier.js";
import { type EndKnowledge, type Exit, explainEnd } from "./carrier-end.js";
import { type CarrierLimits, limitedCommand } from "./carrier-limits.js";
import { BAD_MESSAGE, CarrierListeners } from "./carrier-listeners.js";
import type { FromCarrier, ToCarrier } from "./carrier-messages.js";
import { carrierFlags, carrierProgram } from "./carrier-program.js";
import { neverThrowing, notStarted } from "./failed-carrier.js";
import { Readiness } from "./readiness.js";
import { sendSocket } from "./socket-hand-off.js";
import { warden } from "./warden.js";

/** How long after its end a process's last messages may take to be read. */
const LAST_MESSAGES_MS = 1_000;

/** Starts an operating-system process. */
export const startProcess = neverThrowing("process", (options) => new ProcessCarrier(options));

class ProcessCarrier implements Carrier {
  readonly kind = "process";
  readonly ended: Promise<CarrierEnd>;
  private readonly child: ChildProcess;
  private readonly readiness: Readiness;
  private readonly end: Deferred<CarrierEnd> = deferred();
  readonly limits: CarrierLimits;
  killed: EndKnowledge["killed"];
  /** What it said that it dies of, or what its words broke here. */
  private error: unknown;
  private readonly listeners = new CarrierListeners((error) => {
    this.error = error;
    this.kill(BAD_MESSAGE, "bad_message");
  });

  constructor({ module, execArgv, env, limits = {} }: CarrierOptions) {
    this.limits = limits;
    this.ended = this.end.promise;
    this.readiness = new Readiness(module, this.ended);
    this.child = fork(carrierProgram("process"), [module.href], {
      serialization: "advanced",
      ...limitedCommand(limits, carrierFlags("process", execArgv) ?? []),
      // A process group of its own: a Ctrl-C is for the server, and what the service starts ends with it.
      detached: platform() !== "win32",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      ...(env && { env }),
    });
    const { child } = this;
    // Before it can have loaded anything of a user's.
    if (child.pid !== undefined) warden.guard(child.pid);
    this.listeners.add((message) => this.heard(message));
    child.on("message", (message) => this.listeners.receive(message));
    child.on("error", (error) => {
      // Errors of a running one show in its end.
      if (child.pid !== undefined) return;
      this.killed ??= notStarted(error);
      this.over({ code: undefined, signal: undefined, error });
    });
    child.once("exit", (code, signal) => void this.exited(code, signal));
  }

  get number(): number {
    return this.child.pid ?? 0;
  }

  get ready(): Promise<void> {
    return this.readiness.ready;
  }

  listen(receive: (message: FromCarrier) => void): void {
    this.listeners.add(receive);
  }

  post(message: ToCarrier, socket?: Socket): void {
    if (!this.child.connected) socket?.destroy();
    else if (socket !== undefined) sendSocket(this.child, message as Serializable, socket);
    else this.child.send(message as Serializable, () => undefined);
  }

  kill(reason: string, cause: KillCause = "stopped"): void {
    this.killed ??= { cause, reason };
    this.child.kill("SIGKILL");
  }

  private heard(message: FromCarrier): void {
    if (message.type === "dying") this.error = restoreError(message.error);
    else this.readiness.receive(message);
  }

  /** Node tells of the end of the process and of the end of its messages apart, in either order. */
  private async exited(code: number | null, signal: string | null): Promise<void> {
    const { child } = this;
    if (child.pid !== undefined) {
      killGroup(child.pid);
      warden.release(child.pid);
    }
    if (child.connected) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LAST_MESSAGES_MS);
        child.once("disconnect", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.over({ code: code ?? undefined, signal: signal ?? undefined, error: this.error });
  }

  private over(exit: Exit): void {
    this.end.resolve(explainEnd(exit, this));
  }
}

/** Kills what a process that has ended left of its group: whatever its service had started, and did not detach. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing is left of it; or this system has no groups.
  }
}
