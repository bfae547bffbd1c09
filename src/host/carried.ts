/**
 * The hosts that run a service outside of the server's own event loop: `workerThread` and `childProcess`. The service
 * is the default export of a module, the same as runs inline; it is loaded there, never in the server's process.
 */
import type { CarrierReport } from "../access/carrier-report.js";
import type { Access, CommunicationProcess, ProcessGrounds, ProcessHost } from "../access/communication-process.js";
import { systemClock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import type { StartCarrier } from "./carrier.js";
import { channelTo } from "./carrier-channel.js";
import { CarrierPool, type CarrierPoolOptions } from "./carrier-pool.js";
import { readSupervision, type SupervisionOptions } from "./carrier-settings.js";
import { FarProcess } from "./far-process.js";
import { startProcess } from "./process-carrier.js";
import { startThread } from "./thread-carrier.js";

/** How a service is run in threads or processes. */
export interface CarriedOptions extends SupervisionOptions {
  /** Flags of Node for them, such as `--enable-source-maps`. Default: those of this process. */
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
  const kind = start === startThread ? "thread" : "process";
  const { limits, ...settings } = readSupervision(options, kind);
  const { execArgv, env } = options;
  const carrier = { module: readModule(module), limits, ...(execArgv && { execArgv }), ...(env && { env }) };
  return new CarriedHost({ start, carrier, clock: systemClock, ...settings });
}

/** The pool of a host, and the servers that use it: each hears of every carrier's end, as long as it is not closed. */
interface UsedPool {
  readonly pool: CarrierPool;
  readonly listeners: Set<(report: CarrierReport) => void>;
  users: number;
}

class CarriedHost implements ProcessHost {
  /** Undefined while no server uses the host. A pool that is being closed belongs to nobody who comes later. */
  private used: UsedPool | undefined;

  constructor(private readonly options: CarrierPoolOptions) {}

  open(ended: (report: CarrierReport) => void): () => Promise<void> {
    this.used ??= this.makePool();
    const { used } = this;
    used.users += 1;
    used.listeners.add(ended);
    return async () => {
      used.users -= 1;
      if (used.users === 0) {
        this.used = undefined;
        await used.pool.close();
      }
      used.listeners.delete(ended);
    };
  }

  async generate(access: Access, grounds: ProcessGrounds): Promise<CommunicationProcess> {
    const pool = this.used?.pool;
    if (pool === undefined) throw new DuowireError("going_away");
    const carrier = await pool.take();
    const process = new FarProcess(access, grounds, channelTo(carrier), () => pool.release(carrier));
    await process.start();
    return process;
  }

  private makePool(): UsedPool {
    const listeners: UsedPool["listeners"] = new Set();
    const pool = new CarrierPool(this.options, (report) => {
      for (const ended of listeners) ended(report);
    });
    return { pool, listeners, users: 0 };
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
