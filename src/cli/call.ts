/** `duowire call`: one call from a shell. */
import { writeFileSync } from "node:fs";
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
    "In the result, octets are printed as base64url, a Map as an object, a Set as an array, a bigint as a text.",
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
    try {
      const value = await callOnce(address, method, readCallArguments(args), text(given, "service"), timeoutMs);
      return printResult(value, text(given, "output"), given.json === true);
    } catch (error) {
      if (!(error instanceof CommandFailure) || given.json !== true || error.exitCode === exitCodes.usage) throw error;
      print(json(error.cause));
      return error.exitCode;
    }
  },
};

async function callOnce(address: string, method: string, args: unknown[], service: string | undefined, ms: number) {
  const options = { connectTimeoutMs: ms, ...(service !== undefined && { service }) };
  const session = open(address, options);
  try {
    await session.opened.catch((error: unknown) => {
      throw failureOf(exitCodes.unreachable, error);
    });
    const remote = session.with({ timeoutMs: ms }).remote as unknown as Methods;
    return await (remote[method] ?? noMethod(method))(...args);
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

function printResult(value: unknown, output: string | undefined, isCompact: boolean): number {
  if (output === undefined) {
    print(json(value, isCompact ? undefined : 2));
    return exitCodes.ok;
  }
  if (!(value instanceof Uint8Array)) {
    throw new CommandFailure(exitCodes.failed, "the result is not octets, so nothing was written; leave out --output");
  }
  writeFileSync(output, value);
  return exitCodes.ok;
}

function failureOf(exitCode: number, error: unknown): CommandFailure {
  const { name, message } = error as Error;
  const isOurs = error instanceof DuowireError;
  const failure = new CommandFailure(exitCode, isOurs ? `${error.code}: ${message}` : `${name}: ${message}`);
  const outcome = isOurs ? error.outcome : "answered";
  failure.cause = { code: (error as { code?: unknown }).code ?? null, name, message, outcome: outcome ?? null };
  return failure;
}
