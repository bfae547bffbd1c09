/** The child's side of ../child.ts. */

/** What a test asks of its child. */
export interface ChildQuestion {
  readonly number: number;
  readonly command: string;
  readonly argument: unknown;
}

/** What the child answers. */
export interface ChildAnswer {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** What no library may let happen in its user's process: every unhandled rejection and uncaught exception so far. */
export const troubles: string[] = [];

/** Notes {@link troubles} from now on, instead of dying of them. */
export function noteTroubles(): void {
  process.on("unhandledRejection", (reason) => troubles.push(`unhandledRejection: ${String(reason)}`));
  process.on("uncaughtException", (error) => troubles.push(`uncaughtException: ${error.stack}`));
}

/** Answers what the test asks from now on; the child lives as long as the test's process does. */
export function answer(commands: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on("message", async ({ number, command, argument }: ChildQuestion) => {
    let said: ChildAnswer;
    try {
      said = { number, value: await commands[command]?.(argument as never) };
    } catch (error) {
      said = { number, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send?.(said);
  });
  process.on("disconnect", () => process.exit());
}
