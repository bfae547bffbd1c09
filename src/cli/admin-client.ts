/** Speaks with the admin door of a server: over its Unix socket, or over HTTP with the admin token. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import type { AdminListing } from "../server/index.js";
import { knownSockets, socketPath } from "./admin-socket.js";
import { type Given, type Option, text } from "./command.js";
import { CommandFailure, exitCodes, usageFailure } from "./failure.js";

/** The environment variable with the admin token. It is never an option: other users see command lines. */
export const TOKEN_VARIABLE = "DUOWIRE_ADMIN_TOKEN";

const ANSWER_MS_MAX = 5_000;
const ANSWER_BYTES_MAX = 268_435_456;

/** The options of every command that uses the door. */
export const doorOptions: Readonly<Record<string, Option>> = {
  socket: { type: "string", value: "PATH", help: "the server's admin socket" },
  admin: {
    type: "string",
    value: "URL",
    help: `its admin port, such as http://127.0.0.1:9100; needs ${TOKEN_VARIABLE}`,
  },
  "token-file": { type: "string", value: "PATH", help: `a file with the admin token, instead of ${TOKEN_VARIABLE}` },
};

/** The lines of help on how a server is found. */
export const doorHelp: readonly string[] = [
  "",
  "The server is found by its address or port (its socket in the runtime folder), by --socket, or by --admin.",
  "Without any of these it is the only one of this user on this machine.",
];

/** A server's admin door. */
export interface DoorClient {
  sessions(): Promise<AdminListing>;
  /** False when there is no such session. */
  end(id: string): Promise<boolean>;
}

/** The door that the options, or the server's address, name. Throws a usage failure when that is none, or not one. */
export function findDoor(given: Given, address: string | undefined): DoorClient {
  const admin = text(given, "admin");
  if (admin !== undefined) return doorAtPort(admin, takeToken(given));
  const path = text(given, "socket") ?? (address === undefined ? onlySocket() : socketPath(portOf(address)));
  return doorOver({ socketPath: path }, path);
}

function doorAtPort(admin: string, token: string | undefined): DoorClient {
  if (!URL.canParse(admin)) throw usageFailure(`--admin ${JSON.stringify(admin)} is no URL`);
  if (token === undefined)
    throw usageFailure(`the admin port needs a token: set ${TOKEN_VARIABLE}, or give --token-file`);
  const { hostname, port, origin } = new URL(admin);
  const headers = { authorization: `Bearer ${token}` };
  return doorOver({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80), headers }, origin);
}

/**
 * The admin token of the environment or of `--token-file`, if there is one. It is taken out of the environment: what
 * this program starts, such as the processes of services, has no use for it.
 */
export function takeToken(given: Given): string | undefined {
  const file = text(given, "token-file");
  const { [TOKEN_VARIABLE]: token } = process.env;
  delete process.env[TOKEN_VARIABLE];
  if (file === undefined) return token;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw usageFailure(`--token-file cannot be read: ${(error as Error).message}`);
  }
}

function onlySocket(): string {
  const [first, ...others] = knownSockets();
  if (first !== undefined && others.length === 0) return first;
  if (first === undefined) throw new CommandFailure(exitCodes.unreachable, "no server of this user was found");
  throw usageFailure(["several servers run: say which one you mean", first, ...others].join("\n  "));
}

function portOf(address: string): number {
  const port = /^\d+$/.test(address) ? address : URL.canParse(address) ? new URL(address).port || "80" : "";
  if (port !== "") return Number(port);
  throw usageFailure(`${JSON.stringify(address)} is neither an address such as http://127.0.0.1:9000/WAO nor a port`);
}

function doorOver(where: object, name: string): DoorClient {
  const ask = async (method: string, path: string) => {
    const sent = request({ ...where, method, path, agent: false, timeout: ANSWER_MS_MAX });
    sent.on("timeout", () => sent.destroy(new Error("no answer came in time")));
    sent.end();
    try {
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      return { status: answer.statusCode ?? 0, body: await readAll(answer) };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CommandFailure(exitCodes.unreachable, `nobody answers at the admin door ${name} (${code ?? message})`);
    }
  };
  return {
    async sessions() {
      const { status, body } = await ask("GET", "/sessions");
      if (status === 200) return JSON.parse(body) as AdminListing;
      throw refusal(name, status);
    },
    async end(id) {
      const { status } = await ask("DELETE", `/sessions/${encodeURIComponent(id)}`);
      if (status === 204 || status === 404) return status === 204;
      throw refusal(name, status);
    },
  };
}

function refusal(name: string, status: number): CommandFailure {
  const why = status === 401 ? "the admin token is not the server's" : `status ${status}: is it a duowire admin door?`;
  return new CommandFailure(exitCodes.unreachable, `${name} refused: ${why}`);
}

async function readAll(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error("the answer has no end");
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
