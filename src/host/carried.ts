/**
 * The hosts that run a service outside of the server's own event loop: `workerThread` and `childProcess`. The service
 * is the default export of a module, the same as runs inline; it is loaded there, never in the server's process.
 */
import type { Access, CommunicationProcess, ProcessGrounds, ProcessHost } from "../access/communication-process.js";
import { DuowireError } from "../base/errors.js";
import type { CarrierOptions, Nursery, StartCarrier } from "./carrier.js";
import { channelTo } from "./carrier-channel.js";
import { FarProcess } from "./far-process.js";
import { nurseryOf } from "./nursery.js";
import { startProcess } from "./process-carrier.js";
import { startThread } from "./thread-carrier.js";

/** How a service is run in threads or processes. */
export interface CarriedOptions {
  /** So many threads or processes are shared by all sessions; left out, each session has one of its own. */
  readonly pool?: number;
  /** Flags of Node for them, such as `--max-old-space-size=256` (processes only). Default: those of this process. */
  readonly execArgv?: readonly string[];
  /** Environment variables for them. Default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs a service in worker threads of the server's process: code that blocks holds up nobody else, and memory is the
 * thread's own. A crash of the whole process still ends all. Give the module's URL, whose default export is the class:
 * `workerThread(new URL("./desk.js", import.meta.url))`. Throws `invalid_argument` for anything but a `file:` URL.
 */
export function workerThread(module: URL | string, options: CarriedOptions = {}): ProcessHost {
  return carriedHost(startThread, module, options);
}

/**
 * Runs a service in operating-system processes, as {@link workerThread} does in threads: the most isolation. One that
 * crashes, runs out of memory or is killed ends its own sessions with `process_crashed`, and no others.
 */
export function childProcess(module: URL | string, options: CarriedOptions = {}): ProcessHost {
  return carriedHost(startProcess, module, options);
}

function carriedHost(start: StartCarrier, module: URL | string, options: CarriedOptions): ProcessHost {
  const { pool, ...rest } = options;
  if (pool !== undefined && !(Number.isInteger(pool) && pool >= 1)) {
    throw invalid(`pool is ${pool}; expected a whole number of at least 1, or leave it out`);
  }
  const carrierOptions: CarrierOptions = { module: readModule(module), ...rest };
  return new CarriedHost(nurseryOf(() => start(carrierOptions), pool));
}

class CarriedHost implements ProcessHost {
  constructor(private readonly nursery: Nursery) {}

  async generate(access: Access, grounds: ProcessGrounds): Promise<CommunicationProcess> {
    const carrier = await this.nursery.take().catch((error: unknown) => {
      // Paths and stacks are for the server's program; its client is told only that.
      grounds.observer.serviceError(access, "module", error);
      throw new DuowireError("service_failed", undefined, { side: "local", cause: error });
    });
    const process = new FarProcess(access, grounds, channelTo(carrier), () => this.nursery.release(carrier));
    await process.start();
    return process;
  }

  close(): Promise<void> {
    return this.nursery.close();
  }
}

function readModule(module: URL | string): URL {
  const url = URL.canParse(String(module)) ? new URL(module) : undefined;
  if (url?.protocol === "file:") return url;
  const advice = 'new URL("./desk.js", import.meta.url)';
  throw invalid(`${JSON.stringify(String(module))} is no file: URL of a service module; give ${advice}`);
}

function invalid(message: string): DuowireError {
  return new DuowireError("invalid_argument", message, { side: "local" });
}
