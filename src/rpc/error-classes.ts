/**
 * Which classes of errors cross as themselves. Nothing that arrives names a class of this side but those that were
 * registered here, by names that stand in a Map: a `constructor` or `toString` of the far side's finds nothing.
 */
import { localError } from "./messages.js";
import { type ErrorFields, errorEntries, RemoteError, safeName } from "./remote-error.js";

/** A class of errors. */
export type ErrorClass = abstract new (...args: never) => Error;

/** How many fields of its own class an error may have on the wire; more are left out. */
export const ERROR_FIELDS_MAX = 15;

const classes = new Map<string, ErrorClass>();
const names = new WeakMap<object, string>();

/** What an error has that is no field of its own. */
const notFields = new Set(["name", "message", "code", "data", "cause", "errors", "stack", "remote", "__proto__"]);
/** Names that belong to everybody, or to this library. */
const taken = /^((Aggregate|Eval|Range|Reference|Syntax|Type|URI|Remote|Duowire)?Error|DOMException)$/;

/**
 * Lets errors of a class cross as what they are: register it at both sides, under the same name. What arrives is an
 * instance with `name`, `message`, `code`, `data`, `cause`, and with the error's own enumerable fields, as far as they
 * are data (15 at most). Its constructor does not run, so methods that need `#private` fields fail; a field never
 * covers what the class itself has. Errors of subclasses cross as the nearest class that is registered; where only the
 * sender has registered it, a RemoteError arrives, with those fields in `fields`.
 *
 * The name is the class's own unless given: give it where a bundler changes names. Throws `invalid_argument` for a name
 * that is no name (64 letters, digits, `_`, `$`, `.`), that belongs to JavaScript, or that another class has.
 */
export function registerError(errorClass: ErrorClass, name: string = errorClass.name): void {
  const other = classes.get(name);
  const isNamed = name !== "" && safeName(name) === name && !taken.test(name);
  if (!isNamed || (other && other !== errorClass)) {
    const why = other ? "another class has this name" : "give another one: registerError(MyError, 'shop.MyError')";
    throw localError("invalid_argument", `no error can be registered as ${JSON.stringify(name)}: ${why}`);
  }
  if (!(errorClass.prototype instanceof Error)) throw localError("invalid_argument", `${name} does not extend Error`);
  classes.set(name, errorClass);
  names.set(errorClass.prototype, name);
}

/** What an error says of itself on the wire, in its order. */
export function entriesOf(error: ErrorFields, withStack: boolean | undefined): [string, unknown][] {
  const { message, code, data, cause, stack } = error;
  const isAggregate = error instanceof AggregateError || error.name === "AggregateError";
  const errors = isAggregate ? error.errors : undefined;
  const name = names.get(registeredPrototype(error) ?? error);
  const fields =
    name === undefined
      ? error instanceof RemoteError
        ? error.fields && fieldsOf(error.fields)
        : undefined
      : fieldsOf(error);
  return errorEntries({ name: name ?? error.name, message, code, data, cause, errors, fields, stack }, withStack);
}

function registeredPrototype(error: object): object | undefined {
  let prototype: object | null = error;
  do prototype = Object.getPrototypeOf(prototype) as object | null;
  while (prototype && !names.has(prototype));
  return prototype ?? undefined;
}

/** The fields that an error's class adds. */
function fieldsOf(error: object): Record<string, unknown> | undefined {
  const entries = Object.entries(error).filter(([key, value]) => !notFields.has(key) && typeof value !== "function");
  return entries.length > 0 ? Object.fromEntries(entries.slice(0, ERROR_FIELDS_MAX)) : undefined;
}

/** The error that fields of the wire stand for: an instance of a registered class, or a RemoteError. */
export function makeError(fields: ErrorFields): Error {
  const plain = new RemoteError(fields);
  const errorClass = classes.get(plain.name);
  if (!errorClass) return plain;
  // A real error with its class's prototype; the constructor is not the far side's to call.
  const error = Reflect.construct(Error, [plain.message], errorClass) as Error;
  const { name, code, data, errors, cause, stack } = plain;
  define(error, { name, remote: true, stack, ...(cause === undefined ? undefined : { cause }) }, false);
  const own = Object.entries(plain.fields ?? {}).filter(([key]) => !notFields.has(key));
  const stated = Object.entries({ code, data, errors }).filter((entry) => entry[1] !== undefined);
  for (const [key, value] of [...stated, ...own.slice(0, ERROR_FIELDS_MAX)]) {
    if (!(key in errorClass.prototype)) define(error, { [key]: value }, true);
  }
  return error;
}

function define(error: Error, properties: object, enumerable: boolean): void {
  for (const [key, value] of Object.entries(properties)) {
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
  }
}
