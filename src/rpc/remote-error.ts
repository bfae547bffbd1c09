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
  readonly fields?: unknown;
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
    ["errors", error.errors],
    ["fields", error.fields],
    ["stack", withStack ? cut(error.stack, STACK_CHARS_MAX) : undefined],
  ];
  return entries.filter((entry) => entry[1] !== undefined);
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * What a method threw, as it may be told: only this library itself answers with a DuowireError (spec/rpc.md, 2.3). A
 * caller could not tell a code that a method passes on, of a session of its own perhaps, from one of this session.
 */
export function asThrown(error: unknown): unknown {
  const isOurs = error instanceof Error && error.name === "DuowireError";
  return isOurs ? Object.create(error, { name: { value: "Error" } }) : error;
}

/**
 * What the far side's application threw. `name`, `message` and `code` are what it says; whatever it says, this is never
 * an instance of a class of this side but `RemoteError` and `Error`; classes that were registered arrive as themselves.
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
  /** What the error's class adds, where only the far side has registered it (`registerError`): data, not checked. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;

  constructor(fields: ErrorFields) {
    const message = cut(fields.message, MESSAGE_CHARS_MAX);
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = safeName(fields.name);
    this.code = safeCode(fields.code);
    this.data = fields.data;
    this.errors = Array.isArray(fields.errors) ? fields.errors : undefined;
    this.fields = isFields(fields.fields) ? fields.fields : undefined;
    // The stack of this side would only show how octets were read. (Assigned: to define it makes V8 format it first.)
    this.stack = cut(fields.stack, STACK_CHARS_MAX) || `${this.name}: ${message}`;
  }
}
