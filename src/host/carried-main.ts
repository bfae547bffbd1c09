/**
 * The program of a carrier, in a worker thread and in an operating-system process alike. Its argument is the service's
 * module. It lives until it is told to leave, is killed, or finds that nobody is there who could tell it anything.
 */
import "../base/meanings.js";
import type { Socket } from "node:net";
import { parentPort } from "node:worker_threads";
import { systemClock } from "../base/clock.js";
import { describeError } from "./carried-error.js";
import { CarriedProcesses } from "./carried-processes.js";
import { ABORT_CALLED } from "./carrier-end.js";
import type { FromCarrier, ToCarrier } from "./carrier-messages.js";
import { cloneable } from "./cloneable.js";
import { loadService } from "./service-module.js";

type Receive = (message: ToCarrier, socket?: Socket) => void;

const href = process.argv.at(-1) ?? "";
const post = connectServer((message, socket) => receive(message, socket));
/** What came before the module was there. */
const early: [message: ToCarrier, socket: Socket | undefined][] = [];
let receive: Receive = (message, socket) => void early.push([message, socket]);

try {
  const processes = new CarriedProcesses(await loadService(href), systemClock, post);
  receive = (message, socket) => processes.receive(message, socket);
  post({ type: "ready" });
  for (const [message, socket] of early.splice(0)) receive(message, socket);
} catch (error) {
  post({ type: "unusable", error: describeError(error) });
}

/** Names who hears the server's messages; returns what sends it ours. */
function connectServer(receive: Receive): (message: FromCarrier) => void {
  if (parentPort !== null) {
    const port = parentPort;
    port.on("message", receive);
    return (message) => port.postMessage(cloneable(message));
  }
  process.on("message", receive as (message: unknown, socket: unknown) => void);
  process.on("disconnect", () => process.exit());
  const sayDying = (error: unknown) => process.send?.({ type: "dying", error: describeError(error) });
  process.on("uncaughtExceptionMonitor", sayDying);
  const { abort } = process;
  // From outside it looks like a heap that is full.
  process.abort = () => {
    sayDying(Object.assign(new Error("process.abort() was called"), { code: ABORT_CALLED }));
    return abort();
  };
  // A terminal or a supervisor may send these to every process at once; when this one ends is for the server to say.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
  return (message) => void process.send?.(message, undefined, undefined, () => undefined);
}
