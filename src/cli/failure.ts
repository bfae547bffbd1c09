/** How a command ends when it does not end well, and the exit code that says so to a script. */

/** The exit codes; they never change their meaning. */
export const exitCodes = {
  /** What was asked for was done. */
  ok: 0,
  /** The far side was reached and failed: the call threw, there is no such session. */
  failed: 1,
  /** The command line is wrong, or what it names cannot be used. */
  usage: 2,
  /** Nobody was reached, or the access was refused. */
  unreachable: 3,
} as const;

/** A failure that is told to the person in one sentence, without a stack. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";

  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

/** A mistake in the command line; `duowire <command> --help` is pointed to. */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, message);
}
