/** `duowire serve`: serves modules until a signal asks for the end, and then drains. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { stackOf } from "../base/thrown.js";
import { type AdminDoor, openAdminDoor, type Server, type ServerOptions, serve } from "../server/index.js";
import { TOKEN_VARIABLE, takeToken } from "./admin-client.js";
import { makeSocketFolder, socketPath } from "./admin-socket.js";
import { type Command, type Given, number, text, texts } from "./command.js";
import { CommandFailure, exitCodes, usageFailure } from "./failure.js";
import { hosts, type PreparedService } from "./hosts.js";
import { json, print, printable, printError } from "./output.js";
import { moduleUrl } from "./service-module.js";

const ADDRESS = "http://127.0.0.1:9000/WAO";
const DRAIN_MS = 30_000;
const ONLY_SERVICE = "default";

/** Serves modules. */
export const serveCommand: Command = {
  summary: "serves a module whose default export is a class that extends Service",
  usage: "[module] [options]",
  about: [
    "",
    "SIGTERM and SIGINT (Ctrl+C) drain: no new accesses, sessions end when their calls are done. A second signal ends",
    "everything at once.",
    "Listens on this machine only unless --address says otherwise, such as --address http://0.0.0.0:9000/WAO.",
  ],
  options: {
    service: {
      type: "string",
      multiple: true,
      value: "NAME=MODULE",
      help: "one of several services, instead of [module]",
    },
    host: { type: "string", value: "HOST", help: `where services run: ${Object.keys(hosts).join(", ")} (inline)` },
    pool: { type: "string", value: "N", help: "threads or processes that sessions share; 0: one for each session (0)" },
    address: { type: "string", short: "a", value: "URL", help: `the fixed connection address (${ADDRESS})` },
    port: { type: "string", short: "p", value: "N", help: "the port, instead of the address's; 0 for a free one" },
    id: { type: "string", value: "ID", help: "the system ID, instead of the address's" },
    node: { type: "string", value: "NAME", help: "this node's name in identifications (n1)" },
    "secret-file": { type: "string", value: "PATH", help: "what keys are derived from; default: random per start" },
    origin: { type: "string", multiple: true, value: "ORIGIN", help: "pages of this origin may use the server" },
    "allow-host": { type: "string", multiple: true, value: "NAME", help: "a host name that requests may name" },
    "trust-proxy": { type: "boolean", help: "believe the X-Forwarded headers of the one proxy in front" },
    "sessions-max": { type: "string", value: "N", help: "sessions at once (50000)" },
    "lease-ms": { type: "string", value: "MS", help: "how long a session outlives its links (120000)" },
    "drain-ms": { type: "string", value: "MS", help: `how long calls may go on after SIGTERM (${DRAIN_MS})` },
    socket: { type: "string", value: "PATH", help: "the admin socket; default: by port in the runtime folder" },
    "no-socket": { type: "boolean", help: "no admin socket" },
    "admin-port": { type: "string", value: "N", help: `an admin port on 127.0.0.1; needs ${TOKEN_VARIABLE}` },
    "token-file": { type: "string", value: "PATH", help: `a file with the admin token, instead of ${TOKEN_VARIABLE}` },
    json: { type: "boolean", help: "print events as JSON, one a line" },
  },
  positionals: [0, 1],
  async run([module], given) {
    const token = takeToken(given);
    const services = await prepareServices(module, given);
    const drainMs = number(given, "drain-ms") ?? DRAIN_MS;
    // From before there is an address: whoever reads it may ask for the end at once.
    const stop = signalled();
    const server = await start(services, given);
    const doors: AdminDoor[] = [];
    await openDoors(server, given, token, doors).catch(async (error: unknown) => {
      await Promise.all([server.close(), ...doors.map((door) => door.close())]);
      throw cannotServe(error);
    });
    server.addEventListener("error", ({ detail: { error } }) => printError(stackOf(error)));
    server.addEventListener("service_error", ({ detail: { method, error } }) =>
      printError(`${printable(method)} threw: ${stackOf(error)}`),
    );
    announce(server, services, doors, given.json === true);
    await stop;
    await drain(server, doors, drainMs, given.json === true);
    return exitCodes.ok;
  },
};

async function prepareServices(module: string | undefined, given: Given): Promise<Map<string, PreparedService>> {
  const named = texts(given, "service").map(readNamedService);
  if ((module === undefined) === (named.length === 0))
    throw usageFailure("give either a module or --service NAME=MODULE");
  const host = text(given, "host") ?? "inline";
  const prepare = Object.hasOwn(hosts, host) ? hosts[host] : undefined;
  if (prepare === undefined) throw usageFailure(`--host ${host} is none of ${Object.keys(hosts).join(", ")}`);
  const prepared = new Map<string, PreparedService>();
  const pool = number(given, "pool");
  for (const [name, file] of module === undefined ? named : [[ONLY_SERVICE, module] as const]) {
    if (prepared.has(name)) throw usageFailure(`--service names ${name} twice`);
    prepared.set(name, await prepare(moduleUrl(file), { pool }));
  }
  return prepared;
}

function readNamedService(named: string): readonly [string, string] {
  const equals = named.indexOf("=");
  if (equals > 0 && equals < named.length - 1) return [named.slice(0, equals), named.slice(equals + 1)];
  throw usageFailure(`--service ${JSON.stringify(named)} is not NAME=MODULE`);
}

async function start(services: ReadonlyMap<string, PreparedService>, given: Given): Promise<Server> {
  const secretFile = text(given, "secret-file");
  const [origins, allowed] = [texts(given, "origin"), texts(given, "allow-host")];
  const sessionsMax = number(given, "sessions-max", 1);
  const leaseMs = number(given, "lease-ms", 1);
  const node = text(given, "node");
  const options: ServerOptions = {
    address: addressOf(given),
    services: Object.fromEntries([...services].map(([name, { service }]) => [name, service])),
    origins,
    trustProxy: given["trust-proxy"] === true,
    secret: secretFile === undefined ? randomBytes(32) : readSecret(secretFile),
    ...(allowed.length > 0 && { hosts: allowed }),
    ...(leaseMs !== undefined && { leaseMs }),
    ...(node !== undefined && { node }),
    ...(sessionsMax !== undefined && { limits: { sessionsMax } }),
  };
  return await serve(options).catch((error: unknown) => {
    throw cannotServe(error);
  });
}

function addressOf(given: Given): string {
  const address = text(given, "address") ?? ADDRESS;
  if (!URL.canParse(address))
    throw usageFailure(`--address ${JSON.stringify(address)} is no URL; expected such as ${ADDRESS}`);
  const url = new URL(address);
  const port = number(given, "port");
  // A URL drops the default port of its scheme, and that is the one that is meant.
  if (port !== undefined) url.port = String(port);
  const id = text(given, "id");
  if (id !== undefined) url.pathname = url.pathname.replace(/[^/]*$/, id);
  return url.href;
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw usageFailure(`--secret-file cannot be read: ${(error as Error).message}`);
  }
}

/** What the options asked for and cannot be had, such as a port that is taken, is the command line's matter. */
function cannotServe(error: unknown): unknown {
  if (error instanceof CommandFailure) return error;
  return (error as Error).name === "DuowireError"
    ? new CommandFailure(exitCodes.usage, (error as Error).message)
    : error;
}

/** Adds the doors that the options ask for to `doors`; those that are open stay open when a later one fails. */
async function openDoors(server: Server, given: Given, token: string | undefined, doors: AdminDoor[]): Promise<void> {
  const path = text(given, "socket");
  const isWanted = given["no-socket"] !== true && process.platform !== "win32";
  if (isWanted && path === undefined) makeSocketFolder();
  if (isWanted) doors.push(await openAdminDoor(server, { socketPath: path ?? socketPath(server.address.port) }));
  const port = number(given, "admin-port");
  if (port === undefined) return;
  if (token === undefined)
    throw usageFailure(`--admin-port needs a token: set ${TOKEN_VARIABLE}, or give --token-file`);
  doors.push(await openAdminDoor(server, { port, token }));
}

function announce(
  server: Server,
  services: ReadonlyMap<string, PreparedService>,
  doors: readonly AdminDoor[],
  asJson: boolean,
): void {
  const address = server.address.href;
  const admin = doors.map((door) => door.address);
  const tables = [...services].map(([name, { methods }]) => ({ name, methods }));
  if (asJson) return print(json({ event: "serving", address, services: tables, admin }));
  print(`serving at ${address}`);
  for (const { name, methods } of tables) {
    print(`  ${printable(name)}: ${methods.length === 0 ? "no methods" : methods.join(", ")}`);
  }
  for (const door of admin) print(`  admin: ${door}`);
}

/** Settles with the first signal that asks for the end; from then on, another one ends this process at once. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let isAsked = false;
    const asked = () => {
      if (isAsked) process.exit(exitCodes.failed);
      isAsked = true;
      resolve();
    };
    process.on("SIGTERM", asked).on("SIGINT", asked);
  });
}

async function drain(server: Server, doors: readonly AdminDoor[], drainMs: number, asJson: boolean): Promise<void> {
  const sessions = server.sessions.size;
  if (asJson) print(json({ event: "draining", sessions, drainMs }));
  else if (sessions > 0) print(`draining (${sessions} open) for ${drainMs} ms at most; a second signal ends at once`);
  await server.close({ drainMs });
  await Promise.all(doors.map((door) => door.close()));
  if (asJson) print(json({ event: "closed" }));
  else print("closed");
}
