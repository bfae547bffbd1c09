#!/usr/bin/env node
/** `duowire`: the command line. Commands are the rows of {@link commands}; exit codes those of failure.ts. */
import { readFileSync } from "node:fs";
import { stackOf } from "../base/thrown.js";
import { callCommand } from "./call.js";
import { type Command, helpOf, readArguments } from "./command.js";
import { endCommand } from "./end.js";
import { CommandFailure, exitCodes, usageFailure } from "./failure.js";
import { print, printError } from "./output.js";
import { psCommand } from "./ps.js";
import { serveCommand } from "./serve.js";

const commands: Readonly<Record<string, Command>> = {
  serve: serveCommand,
  call: callCommand,
  ps: psCommand,
  end: endCommand,
};

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    "Usage: duowire <command> …",
    "",
    ...rows,
    "",
    "`duowire <command> --help` shows the options of each; `duowire --version` the version.",
    "Exit codes: 0 done; 1 the call or the operation failed; 2 a mistake in the command line; 3 nobody was reached.",
    "",
  ].join("\n");
}

async function run([name = "", ...args]: readonly string[]): Promise<number> {
  if (name === "--version" || name === "-v") {
    print(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version);
    return exitCodes.ok;
  }
  if (name === "" || name === "help" || name === "--help" || name === "-h") {
    print(help());
    return name === "" ? exitCodes.usage : exitCodes.ok;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw usageFailure(`there is no command ${JSON.stringify(name)}; see duowire --help`);
  try {
    const read = readArguments(command, args);
    if (read !== undefined) return await command.run(read.positionals, read.values);
    print(helpOf(name, command));
    return exitCodes.ok;
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== exitCodes.usage) throw error;
    throw usageFailure(`${error.message}\nSee duowire ${name} --help.`);
  }
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommandFailure) printError(`duowire: ${error.message}`);
  else printError(`duowire: ${stackOf(error)}`);
  process.exitCode = error instanceof CommandFailure ? error.exitCode : exitCodes.failed;
}
