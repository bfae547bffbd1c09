/** What a command of the command line is: a table of options, a help text made of it, and what it does. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { usageFailure } from "./failure.js";

/** One option: how it is parsed, and its line in the help. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** It may be given several times. */
  readonly multiple?: boolean;
  /** What stands for its value in the help. */
  readonly value?: string;
  readonly help: string;
}

/** What was given for the options of a command. */
export type Given = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** One command. */
export interface Command {
  readonly summary: string;
  /** The arguments after the name, such as `<address> <method>`. */
  readonly usage: string;
  /** Lines between the usage and the options. */
  readonly about: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** How many positional arguments there must be. */
  readonly positionals: readonly [least: number, most: number];
  /** Resolves to the exit code; rejects with a CommandFailure. */
  readonly run: (positionals: readonly string[], given: Given) => Promise<number>;
}

const helpOption: Option = { type: "boolean", short: "h", help: "this text" };

/** What a command is run with. */
export interface Arguments {
  readonly positionals: readonly string[];
  readonly values: Given;
}

type OptionsConfig = NonNullable<ParseArgsConfig["options"]>;

/** Reads the arguments of `command`; undefined when they ask for its help. Throws a usage failure. */
export function readArguments(command: Command, args: readonly string[]): Arguments | undefined {
  const options: OptionsConfig = {};
  for (const [name, { type, short, multiple }] of optionsOf(command)) {
    options[name] = { type, ...(short && { short }), ...(multiple && { multiple }) };
  }
  const parsed = parse(args, options);
  if (parsed.values.help === true) return undefined;
  const [least, most] = command.positionals;
  const count = parsed.positionals.length;
  if (count < least) throw usageFailure(`expected ${command.usage}`);
  if (count > most) throw usageFailure(`${JSON.stringify(parsed.positionals[most])} is one argument too many`);
  return parsed;
}

function parse(args: readonly string[], options: OptionsConfig): Arguments {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw usageFailure((error as Error).message);
  }
}

/** The help of one command. */
export function helpOf(name: string, command: Command): string {
  const rows = optionsOf(command).map(([option, { short, type, value, help }]) => {
    const flag = `${short === undefined ? "   " : `-${short},`} --${option}`;
    return [type === "string" ? `${flag} ${value ?? "VALUE"}` : flag, help] as const;
  });
  const width = Math.max(...rows.map(([flag]) => flag.length));
  const lines = rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`);
  const usage = `Usage: duowire ${name} ${command.usage}`.trimEnd();
  return [usage, "", command.summary, ...command.about, "", "Options:", ...lines, ""].join("\n");
}

/** The value of a string option. */
export function text(given: Given, name: string): string | undefined {
  const value = given[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of an option that may be given several times. */
export function texts(given: Given, name: string): readonly string[] {
  const value = given[name];
  return Array.isArray(value) ? value.map(String) : [];
}

/** The value of an option that is a whole number of at least `least`. Throws a usage failure. */
export function number(given: Given, name: string, least = 0): number | undefined {
  const value = text(given, name);
  if (value === undefined) return undefined;
  const read = Number(value);
  if (value.trim() !== "" && Number.isSafeInteger(read) && read >= least) return read;
  throw usageFailure(`--${name} ${JSON.stringify(value)} is no whole number of at least ${least}`);
}

function optionsOf(command: Command): [string, Option][] {
  return Object.entries({ ...command.options, help: helpOption });
}
