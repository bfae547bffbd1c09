/** How much of a message crosses the wire, in UTF-16 units. */
export const MESSAGE_CHARS_MAX = 16_384;
/** How much of a stack crosses the wire, if any. */
export const STACK_CHARS_MAX = 32_768;
/** The longest code that is text. */
export const CODE_CHARS_MAX = 64;

/** What there is of an error, before anything of it is believed. */
export interface ErrorFields {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly data?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
  readonly stack?: unknown;
}

/** An error's or a class's name if it looks like one, else "Error". */
export function safeName(name: unknown): string {
  return typeof name === "string" && /^[\w$.]{1,64}$/.test(name) ? name : "Error";
}

function safeCode(code: unknown): string | number | undefined {
  return typeof code === "number" || (typeof code === "string" && code.length <= CODE_CHARS_MAX) ? code : undefined;
}

function cut(text: unknown, charsMax: number): string {
  return typeof text === "string" ? text.slice(0, charsMax) : "";
}

/** What an error says of itself to the far side, in the order of the wire. */
export function errorEntries(error: ErrorFields, withStack: boolean | undefined): [string, unknown][] {
  const entries: [string, unknown][] = [
    ["name", safeName(error.name)],
    ["message", cut(error.message, MESSAGE_CHARS_MAX)],
    ["code", safeCode(error.code)],
    ["data", error.data],
    ["cause", error.cause],
    ["errors", error.name === "AggregateError" ? error.errors : undefined],
    ["stack", withStack ? cut(error.stack, STACK_CHARS_MAX) : undefined],
  ];
  return entries.filter((entry) => entry[1] !== undefined);
}

/**
 * What the far side's application threw. `name`, `message` and `code` are what it says; whatever it says, this is never
 * an instance of a class of this side but `RemoteError` and `Error`.
 */
export class RemoteError extends Error {
  override readonly name: string;
  /** Always true: tells it from an error of this side, also across copies of this library. */
  readonly remote = true;
  /** The far side's code: a number, or at most 64 characters. */
  readonly code: string | number | undefined;
  /** What else the far side said of it: data as it came, not checked. */
  readonly data: unknown;
  /** The parts of an AggregateError. */
  readonly errors: readonly unknown[] | undefined;

  constructor(fields: ErrorFields) {
    const message = cut(fields.message, MESSAGE_CHARS_MAX);
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = safeName(fields.name);
    this.code = safeCode(fields.code);
    this.data = fields.data;
    this.errors = Array.isArray(fields.errors) ? fields.errors : undefined;
    // The stack of this side would only show how octets were read. (Assigned: to define it makes V8 format it first.)
    this.stack = cut(fields.stack, STACK_CHARS_MAX) || `${this.name}: ${message}`;
  }
}
