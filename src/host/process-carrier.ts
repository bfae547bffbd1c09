/** A carrier that is an operating-system process: messages go over Node's IPC channel, and sockets along with them. */
import { type ChildProcess, fork, type Serializable } from "node:child_process";
import type { Socket } from "node:net";
import { type Deferred, deferred } from "../base/deferred.js";
import type { Carrier, CarrierEnd, CarrierOptions } from "./carrier.js";
import { endOf } from "./carrier-end.js";
import type { FromCarrier, ToCarrier } from "./carrier-messages.js";
import { carrierFlags, carrierProgram } from "./carrier-program.js";
import { Readiness } from "./readiness.js";
import { sendSocket } from "./socket-hand-off.js";

/** How long after its end a process's last messages may take to be read. */
const LAST_MESSAGES_MS = 1_000;

/** Starts an operating-system process. */
export function startProcess(options: CarrierOptions): Carrier {
  return new ProcessCarrier(options);
}

class ProcessCarrier implements Carrier {
  readonly kind = "process";
  readonly ended: Promise<CarrierEnd>;
  private readonly child: ChildProcess;
  private readonly readiness: Readiness;
  private readonly end: Deferred<CarrierEnd> = deferred();
  private killReason: string | undefined;

  constructor({ module, execArgv, env }: CarrierOptions) {
    this.ended = this.end.promise;
    this.readiness = new Readiness(module, this.ended);
    this.child = fork(carrierProgram("process"), [module.href], {
      serialization: "advanced",
      execArgv: carrierFlags(execArgv),
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      ...(env && { env }),
    });
    const { child } = this;
    child.on("message", (message) => this.readiness.receive(message as FromCarrier));
    child.on("error", (error) => {
      // It could not be started; errors of a running one show in its end.
      if (child.pid === undefined) this.over({ code: undefined, signal: undefined, error, reason: error.message });
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
    this.child.on("message", (message) => receive(message as FromCarrier));
  }

  post(message: ToCarrier, socket?: Socket): void {
    if (!this.child.connected) socket?.destroy();
    else if (socket !== undefined) sendSocket(this.child, message as Serializable, socket);
    else this.child.send(message as Serializable, () => undefined);
  }

  kill(reason: string): void {
    this.killReason ??= reason;
    this.child.kill("SIGKILL");
  }

  /** Node tells of the end of the process and of the end of its messages apart, in either order. */
  private async exited(code: number | null, signal: string | null): Promise<void> {
    const { child } = this;
    if (child.connected) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LAST_MESSAGES_MS);
        child.once("disconnect", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.over(endOf("process", this.killReason, { code, signal, error: undefined }));
  }

  private over(end: CarrierEnd): void {
    this.end.resolve(end);
  }
}
