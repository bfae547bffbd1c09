/**
 * What may be called (D18): a Map from name to function, made once per class. Names that are not in it have one answer,
 * whatever else the object has by that name.
 */
import type { DuowireError } from "../base/errors.js";
import { localError } from "./messages.js";
import { Service, Target } from "./service.js";

/** Name to method. */
export type MethodTable = ReadonlyMap<string, Method>;

/** A method as it is called: with the object as `this`. */
export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Names with a meaning of their own in a service; elsewhere they are misleading. */
const lifeCycle = new Set(["fetch", "opened", "interrupted", "resumed"]);
/** Names that no method can have: a promise's, the library's, JSON's. */
const reserved = new Set(["client", "session", "then", "catch", "finally", "dispose", "toJSON"]);

const tables = new WeakMap<object, MethodTable>();

/** Makes of a method what is called in its place. */
export type MethodWrapper = (method: Method) => Method;

/** By class, object or function: what is called in the place of its methods; a function has one, under "". */
const wrappers = new WeakMap<object, ReadonlyMap<string, MethodWrapper>>();
const checkedFunctions = new WeakMap<Method, Method>();

/** Wraps methods of a class, an object or a function, before its table is made. `invalid_argument` the second time. */
export function wrapMethods(target: object, of: ReadonlyMap<string, MethodWrapper>): void {
  if (wrappers.has(target) || tables.has(target))
    throw localError("invalid_argument", "it has schemas, or is in use, already");
  wrappers.set(target, of);
  const wrap = of.get("");
  if (wrap) checkedFunctions.set(target as Method, wrap(target as Method));
}

/** What is called for a function that was passed. */
export function checkedFunction(method: Method): Method {
  return checkedFunctions.get(method) ?? method;
}

/** Wraps what is to be wrapped of an object's own, or of a class's and of those above it: the nearest counts. */
function wrapTable(table: Map<string, Method>, target: object, name: string): void {
  const seen = new Set<string>();
  for (let of: object | null = target; of; of = Object.getPrototypeOf(of) as object | null) {
    for (const [key, wrap] of wrappers.get(of) ?? []) {
      if (seen.has(key)) continue;
      seen.add(key);
      table.set(key, wrap(table.get(key) ?? fail(`${name} has schemas for ${key}, which is no method to call`)));
    }
  }
}

function fail(message: string): never {
  throw localError("invalid_argument", message);
}

/** Whether no method that can be called has this name: a stub has no property of it either. */
export function isUncallable(name: string): boolean {
  return name === "" || name[0] === "_" || name in Object.prototype || reserved.has(name) || lifeCycle.has(name);
}

/**
 * The methods of a Service or a Target (its class's, its base classes' included), or of a plain object (its own
 * functions). Throws `invalid_argument` for a reserved name that is misused, for a `static remote` that names no
 * method, and for an instance of anything else.
 */
export function methodsOf(object: object): MethodTable {
  const isClass = object instanceof Service || object instanceof Target;
  const key: object = isClass ? Object.getPrototypeOf(object) : object;
  let table = tables.get(key);
  if (!table) {
    table = isClass ? classMethods(key) : plainMethods(object);
    tables.set(key, table);
  }
  return table;
}

/** Checks a class of services before the first access: throws what {@link methodsOf} would. */
export function methodsOfClass(service: abstract new () => Service): MethodTable {
  return classMethods(service.prototype);
}

function classMethods(prototype: object): MethodTable {
  const table = new Map<string, Method>();
  let of = prototype;
  const name = of.constructor.name;
  const seen = new Set<string>();
  for (; of !== Service.prototype && of !== Target.prototype; of = Object.getPrototypeOf(of))
    addMethods(table, of, name, seen);
  for (const allowed of of === Service.prototype ? lifeCycle : []) table.delete(allowed);
  refuseReserved(table, name);
  wrapTable(table, prototype.constructor, name);
  const { remote } = prototype.constructor as { readonly remote?: unknown };
  if (remote === undefined) return table;
  if (!Array.isArray(remote)) throw localError("invalid_argument", `${name}.remote is no array of method names`);
  return new Map(
    remote.map((method) => [
      method,
      table.get(method) ?? fail(`${name}.remote names ${String(method)}, which is no method to call`),
    ]),
  );
}

function plainMethods(object: object): MethodTable {
  const table = new Map<string, Method>();
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null)
    throw localError("invalid_argument", "expose a plain object, or an instance of a class that extends Target");
  addMethods(table, object, "expose", new Set());
  refuseReserved(table, "expose");
  wrapTable(table, object, "expose");
  return table;
}

/** Adds the methods of one object. A name that was seen is overridden, whatever it is there. */
function addMethods(table: Map<string, Method>, object: object, name: string, seen: Set<string>): void {
  for (const [key, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    if (get && reserved.has(key)) throw misused(name, key);
    const isMethod = typeof value === "function" && key !== "" && key[0] !== "_" && !(key in Object.prototype);
    if (isMethod && !seen.has(key)) table.set(key, value);
    seen.add(key);
  }
}

/** A root that has every method that can be called: each call is handed to `call`. What relays calls is served so. */
export function everyMethod(call: (method: string, args: unknown[]) => unknown): object {
  const root = {};
  const table = new Map<string, Method>();
  table.get = (name) => (isUncallable(name) ? undefined : (...args) => call(name, args));
  tables.set(root, table);
  return root;
}

function refuseReserved(table: MethodTable, name: string): void {
  for (const key of table.keys()) if (isUncallable(key)) throw misused(name, key);
}

function misused(name: string, key: string): DuowireError {
  return localError("invalid_argument", `${name}.${key}: no method can have this name, it is reserved`);
}
