/** `duowire call`: one call from a shell. */
import { closeSync, openSync, writeSync } from "node:fs";
import { connect, DuowireError } from "../client/index.js";
import { type Command, number, text } from "./command.js";
import { CommandFailure, exitCodes, usageFailure } from "./failure.js";
import { json, print } from "./output.js";

const TIMEOUT_MS = 30_000;

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Makes an access, one call, and ends the session. */
export const callCommand: Command = {
  summary: "calls a method of a service and prints its result as JSON",
  usage: "<address> <method> ['[arguments as a JSON array]'] [options]",
  about: [
    "",
    "In the result, octets are printed as base64url, a Map as an object, a Set as an array, a bigint as a text. Of a",
    "stream each item is a line. --timeout-ms is for the call, and not for what its stream takes.",
    "Exit codes: 0 there is a result; 1 the call failed; 2 a mistake here; 3 nobody was reached, or no session given.",
  ],
  options: {
    service: { type: "string", value: "NAME", help: "which service, where the server has several" },
    output: { type: "string", short: "o", value: "FILE", help: "write a result of octets, as it is, to a file" },
    "timeout-ms": { type: "string", value: "MS", help: `how long the call may take (${TIMEOUT_MS})` },
    json: { type: "boolean", help: "on one line; a failure too: { code, message, outcome }" },
  },
  positionals: [2, 3],
  async run([address = "", method = "", args], given) {
    const timeoutMs = number(given, "timeout-ms", 1) ?? TIMEOUT_MS;
    const use = (value: unknown) => useResult(value, text(given, "output"), given.json === true);
    try {
      await callOnce(address, method, readCallArguments(args), text(given, "service"), timeoutMs, use);
      return exitCodes.ok;
    } catch (error) {
      if (!(error instanceof CommandFailure) || given.json !== true || error.exitCode === exitCodes.usage) throw error;
      print(json(error.cause));
      return error.exitCode;
    }
  },
};

async function callOnce(
  address: string,
  method: string,
  args: unknown[],
  service: string | undefined,
  ms: number,
  use: (value: unknown) => Promise<void>,
): Promise<void> {
  const options = { connectTimeoutMs: ms, ...(service !== undefined && { service }) };
  const session = open(address, options);
  try {
    await session.opened.catch((error: unknown) => {
      throw failureOf(exitCodes.unreachable, error);
    });
    const remote = session.with({ timeoutMs: ms }).remote as unknown as Methods;
    // A stream of the result ends with the session, so it is used up before.
    await use(await (remote[method] ?? noMethod(method))(...args));
  } catch (error) {
    throw error instanceof CommandFailure ? error : failureOf(exitCodes.failed, error);
  } finally {
    await session.close();
  }
}

function open(address: string, options: object) {
  try {
    return connect<Methods>(address, options);
  } catch (error) {
    throw usageFailure((error as Error).message);
  }
}

/** A stub has no property of a name that no method can have. */
function noMethod(method: string): never {
  throw usageFailure(`${JSON.stringify(method)} cannot be the name of a method`);
}

function readCallArguments(given = "[]"): unknown[] {
  try {
    const args: unknown = JSON.parse(given);
    if (Array.isArray(args)) return args;
  } catch {
    // Said below.
  }
  throw usageFailure(`the arguments are no JSON array, such as '["ACME", 120]': ${given}`);
}

/** Prints a result, or each item of a stream on a line of its own; or writes the octets of either to a file. */
async function useResult(value: unknown, output: string | undefined, isCompact: boolean): Promise<void> {
  const isStream = typeof value === "object" && value !== null && Symbol.asyncIterator in value;
  if (output !== undefined) return await writeOctets(isStream ? (value as AsyncIterable<unknown>) : [value], output);
  if (!isStream) return print(json(value, isCompact ? undefined : 2));
  for await (const item of value as AsyncIterable<unknown>) print(json(item));
}

async function writeOctets(parts: AsyncIterable<unknown> | Iterable<unknown>, output: string): Promise<void> {
  let file: number | undefined;
  try {
    for await (const part of parts) {
      if (!(part instanceof Uint8Array)) {
        throw new CommandFailure(exitCodes.failed, "the result is not octets; leave out --output to see it");
      }
      file ??= openSync(output, "w");
      writeSync(file, part);
    }
    file ??= openSync(output, "w");
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function failureOf(exitCode: number, error: unknown): CommandFailure {
  const { name, message } = error as Error;
  const isOurs = error instanceof DuowireError;
  const failure = new CommandFailure(exitCode, isOurs ? `${error.code}: ${message}` : `${name}: ${message}`);
  const outcome = isOurs ? error.outcome : "answered";
  failure.cause = { code: (error as { code?: unknown }).code ?? null, name, message, outcome: outcome ?? null };
  return failure;
}
