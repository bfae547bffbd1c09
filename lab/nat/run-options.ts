/** The options of the command `run`, and what it says about them. */
import { parseArgs } from "node:util";

/** How long calls are made in each scenario, unless told otherwise: with the few scenarios, and with all. */
export const QUICK_SECONDS = 10;
export const FULL_SECONDS = 20;

/** Labs at once, unless told otherwise. */
export const LABS_MAX = 3;

/** What `run --help` prints. */
export const RUN_USAGE = `usage: lab run [OPTION …]

  --all          every scenario; without it, the few that run on every change
  --only A,B     these scenarios
  --peer NAME    the library under test: duowire (default) or naive
  --json FILE    writes the rows of the table to a file, too
  --labs N       labs at once (default ${LABS_MAX})
  --seconds N    how long calls are made in each scenario (default ${QUICK_SECONDS}; with --all ${FULL_SECONDS})
  --notes        prints what the judge noted in each scenario`;

/** What the words of a command line said; strings as they were written. */
export interface RunWords {
  readonly all: boolean;
  readonly notes: boolean;
  readonly peer: string;
  readonly labs: string;
  readonly only?: string | undefined;
  readonly json?: string | undefined;
  readonly seconds?: string | undefined;
}

/** Reads the words after `run`. A string is the complaint about them, on one line. */
export function readRunWords(words: readonly string[]): RunWords | string {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        all: { type: "boolean", default: false },
        only: { type: "string" },
        peer: { type: "string", default: "duowire" },
        json: { type: "string" },
        labs: { type: "string", default: String(LABS_MAX) },
        seconds: { type: "string" },
        notes: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    if (!isAboutWords(error)) throw error;
    // What follows the first sentence is advice about positional arguments, and there are none.
    const [sentence] = error.message.split(/[.\n]/, 1);
    return `lab run: ${sentence}; see lab run --help`;
  }
}

function isAboutWords(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");
}
