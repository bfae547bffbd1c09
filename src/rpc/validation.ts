/**
 * Validation: schemas that are declared for methods, and checked before a method runs and before its result leaves.
 * Nothing of this is loaded where nobody declares any.
 */
import { refuseCall } from "./incoming-call.js";
import { localError } from "./messages.js";
import { type MethodWrapper, wrapMethods } from "./method-table.js";
import { currentCall, runAs } from "./on-behalf.js";
import type { SchemaIssue, SchemaResult, StandardSchema } from "./standard-schema.js";
import { mustBeAwaited } from "./thenable.js";

/** How many issues a caller is told. */
export const ISSUES_MAX = 32;
/** How much of an issue's message and how many steps of its path a caller is told. */
const ISSUE_CHARS_MAX = 512;
const ISSUE_STEPS_MAX = 32;

/** What is wrong with an argument, as the caller finds it in `error.data.issues`; a path begins with its index. */
export interface ArgumentIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Callable = (...args: never) => unknown;

/** The schemas of one method: of each argument (`null`: not checked) or of all as one array; of the result. */
export interface MethodSchemas {
  readonly args?: readonly (StandardSchema | null)[] | StandardSchema;
  readonly result?: StandardSchema;
}

/** What the compiler says of a schema that does not fit its method. */
interface Misfit<Schema, Method> {
  readonly "the schema says": Schema;
  readonly "the method says": Method;
}

/** `S` if it takes all that is declared as `Value`, and gives nothing else. */
type Fitting<S, Value> =
  S extends StandardSchema<infer Input, infer Output>
    ? [Value] extends [Input]
      ? [Output] extends [Value]
        ? S
        : Misfit<Output, Value>
      : Misfit<Input, Value>
    : null;

type FittingEach<Schemas extends readonly unknown[], Args extends readonly unknown[]> = number extends Args["length"]
  ? Misfit<"a schema for each argument", "any number of arguments: give one schema of the whole array">
  : Schemas["length"] extends Required<Args>["length"]
    ? { readonly [K in keyof Schemas]: Fitting<Schemas[K], K extends keyof Args ? Args[K] : never> }
    : Misfit<Schemas["length"], Required<Args>["length"]>;

type FittingArgs<S, Args extends readonly unknown[]> = S extends readonly unknown[]
  ? FittingEach<S, Args>
  : Fitting<S, Args>;

type FittingMethod<S, F> = F extends (...args: infer Args) => infer Result
  ? {
      readonly [K in keyof S]: K extends "args"
        ? FittingArgs<S[K], Args>
        : K extends "result"
          ? Fitting<S[K], Awaited<Result>>
          : never;
    }
  : never;

type FittingMethods<S, T> = {
  readonly [Name in keyof S]: Name extends keyof T ? FittingMethod<S[Name], T[Name]> : never;
};

/** The schemas `S` where they fit `T`: a class, an object, or a function; where not, what is wrong. */
export type FittingSchemas<S, T> = T extends abstract new (
  ...args: never
) => infer Instance
  ? FittingMethods<S, Instance>
  : T extends Callable
    ? FittingMethod<S, T>
    : FittingMethods<S, T>;

/** Schemas by method; of a function, its own. */
export type SchemasShape<T> = T extends abstract new (
  ...args: never
) => unknown
  ? Readonly<Record<string, MethodSchemas>>
  : T extends Callable
    ? MethodSchemas
    : Readonly<Record<string, MethodSchemas>>;

/**
 * Declares schemas for what the far side calls: a Service's or Target's class, a plain object that is exposed, or a
 * function that is passed. Any library with Standard Schemas will do. Returns `target`.
 *
 * ```ts
 * class Desk extends Service {
 *   static {
 *     withSchemas(Desk, { place: { args: [Order], result: Receipt } });
 *   }
 *   place(order: Order): Receipt { … }
 * }
 * ```
 *
 * A method gets what its schemas make of the arguments. If one does not fit, the method does not run: the caller gets
 * `invalid_argument` with `data.issues`, an array of {@link ArgumentIssue}. So it does for more arguments than schemas.
 * A result that does not fit is the event `service_error` here and `internal_error` there, and says nothing there.
 *
 * The caller's types are those of the method, so a schema must take what the method's signature says and give nothing
 * else: defaults and trimming are fine, a text that becomes a number is not. A call whose schema is asynchronous starts
 * when that has answered; calls that were made later may start before it. All others start in the order made.
 *
 * A subclass inherits the schemas of the classes above it. Throws `invalid_argument` when `target` has schemas already,
 * or one of them is no schema; a name that is no method is refused when the class is served or the object exposed.
 */
export function withSchemas<T extends object, const S extends SchemasShape<T>>(
  target: T,
  schemas: S & FittingSchemas<NoInfer<S>, T>,
): T {
  const isFunction = typeof target === "function" && !isClass(target);
  const byName = isFunction ? { "": schemas } : (schemas as Readonly<Record<string, MethodSchemas>>);
  const wrappers = new Map<string, MethodWrapper>();
  for (const [name, of] of Object.entries(byName)) wrappers.set(name, wrapperOf(name, of as MethodSchemas));
  wrapMethods(target, wrappers);
  return target;
}

function isClass(target: object): boolean {
  // A class's prototype cannot be exchanged.
  return Object.getOwnPropertyDescriptor(target, "prototype")?.writable === false;
}

function wrapperOf(name: string, { args, result }: MethodSchemas): MethodWrapper {
  const all: readonly unknown[] = [...(Array.isArray(args) ? args : [args ?? null]), result ?? null];
  if (!all.every((one) => one === null || isSchema(one)))
    throw localError("invalid_argument", `what is declared for ${name || "the function"} is no Standard Schema`);
  return (method) =>
    function (this: unknown, ...given: unknown[]) {
      const call = currentCall();
      const run = (parsed: unknown[]) => {
        const returned = call ? runAs(call, () => method.apply(this, parsed)) : method.apply(this, parsed);
        if (!result) return returned;
        const check = (value: unknown) => checkResult(name, result, value);
        return mustBeAwaited(returned) ? Promise.resolve(returned).then(check) : check(returned);
      };
      return args ? then(checkArguments(args, given), run) : run(given);
    };
}

function isSchema(value: unknown): boolean {
  const standard = (value as StandardSchema | undefined)?.["~standard"];
  return standard?.version === 1 && typeof standard.validate === "function";
}

/** At once where that is possible: a call that need not wait starts in its turn. */
function then<T>(value: T | Promise<T>, run: (value: T) => unknown): unknown {
  return value instanceof Promise ? value.then(run) : run(value);
}

function checkArguments(schemas: NonNullable<MethodSchemas["args"]>, given: unknown[]): unknown[] | Promise<unknown[]> {
  if (!isList(schemas)) {
    const outcome = schemas["~standard"].validate(given);
    return then(outcome, (result) => parsedOrRefused([result], [])[0]) as unknown[] | Promise<unknown[]>;
  }
  if (given.length > schemas.length) {
    const message = `${given.length} arguments, and ${schemas.length} at most are taken`;
    refuse([{ path: [schemas.length], message }]);
  }
  const outcomes = schemas.map((schema, i) => schema?.["~standard"].validate(given[i]) ?? { value: given[i] });
  const isAsync = outcomes.some((outcome) => outcome instanceof Promise);
  const settle = (results: SchemaResult<unknown>[]) => {
    const parsed = parsedOrRefused(
      results,
      results.map((_, i) => i),
    );
    // An argument that was not given stays so unless its schema made one: a default parameter counts what is missing.
    while (parsed.length > given.length && parsed[parsed.length - 1] === undefined) parsed.pop();
    return parsed;
  };
  return isAsync ? Promise.all(outcomes).then(settle) : settle(outcomes as SchemaResult<unknown>[]);
}

function isList(schemas: NonNullable<MethodSchemas["args"]>): schemas is readonly (StandardSchema | null)[] {
  return Array.isArray(schemas);
}

/** What the schemas made; `indexes` begin the paths of what is wrong. */
function parsedOrRefused(results: readonly SchemaResult<unknown>[], indexes: readonly number[]): unknown[] {
  const issues = results.flatMap((result, i) => (result.issues ?? []).map((issue) => issueOf(issue, indexes[i])));
  if (issues.length > 0) refuse(issues);
  return results.map((result) => (result as { readonly value: unknown }).value);
}

function issueOf({ path = [], message }: SchemaIssue, index: number | undefined): ArgumentIssue {
  const steps = path.slice(0, ISSUE_STEPS_MAX).map((step) => (typeof step === "object" ? step.key : step));
  const own = steps.map((step) => (typeof step === "number" ? step : String(step).slice(0, ISSUE_CHARS_MAX)));
  return {
    path: index === undefined ? own : [index, ...own],
    message: String(message).slice(0, ISSUE_CHARS_MAX),
  };
}

function refuse(issues: readonly ArgumentIssue[]): never {
  const [first] = issues as readonly [ArgumentIssue];
  const [index, ...steps] = first.path;
  const inside = steps.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
  const where = `arguments[${index ?? ""}]${inside}`;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more: error.data.issues)` : "";
  const data = { issues: issues.slice(0, ISSUES_MAX) };
  return refuseCall(localError("invalid_argument", `${where}: ${first.message}${more}`, { data }));
}

function checkResult(name: string, schema: StandardSchema, value: unknown): unknown {
  return then(schema["~standard"].validate(value), (result) => {
    if (!result.issues) return result.value;
    const issues = result.issues.map((issue) => issueOf(issue, undefined));
    const cause = localError(
      "invalid_argument",
      `the result of ${name} does not fit its schema: ${issues[0]?.message}`,
      {
        data: { issues: issues.slice(0, ISSUES_MAX) },
      },
    );
    return refuseCall(localError("internal_error"), cause);
  });
}
