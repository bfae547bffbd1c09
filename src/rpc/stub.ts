/**
 * Stubs: what the far side's root, functions and objects look like here. The one place where a Proxy stands for types
 * that exist only at compile time, and so the one place of `any`.
 */
import type { Metadata } from "./call-options.js";
import { localError } from "./messages.js";
import { isUncallable } from "./method-table.js";
import type { CallTarget } from "./naming.js";
import type { Import, References } from "./references.js";

/** Options that every call of a stub is made with (D19). */
export interface CallOptions {
  /** Cancels the calls when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** How long each call may take until its answer; the far side is told. From 0 on. */
  readonly timeoutMs?: number | undefined;
  /**
   * Travels beside the arguments of each call; the method finds it in `callContext().metadata`. At most 64 texts, 8,192
   * characters together with their names; else calls reject `invalid_argument`.
   */
  readonly metadata?: Metadata | undefined;
}

/** Who makes the calls of a stub. */
export interface CallMaker {
  call(target: CallTarget, method: string, args: readonly unknown[], options?: CallOptions): PromiseLike<unknown>;
}

/** What a reference's stub calls. It never leads to the stub itself, so that the stub can be collected. */
export class StubTarget {
  /** Released by its owner, or revoked: it can be called no more. */
  isReleased = false;
  /** How often messages have brought it, less those that were not delivered: at 0 nobody has it. */
  bringers = 0;

  constructor(
    readonly references: References,
    readonly held: Import,
  ) {}
}

/** Methods that one stub keeps; a name beyond them costs a new function each time. */
const METHODS_MAX = 256;
/** What a function's stub has of a function's properties. */
const functionProperties = new Set<PropertyKey>(["call", "apply", "bind", "name", "length"]);

/** What a stub of an object is an instance of: nothing that can be sent as data. */
class Stub {}

/** What the proxies are of. Shared, since no trap uses them, and frozen, so that no stub can be given properties. */
const objectShape = Object.freeze(new Stub());
const functionShape = Object.freeze(() => {});

/** Each stub's handler, the roots' included: how a stub is known. */
const handlers = new WeakMap<object, StubHandler>();

class StubHandler implements ProxyHandler<any> {
  /** The functions that this handler gives out lead to the stub: whoever has one keeps the reference. */
  self: any;
  private methods: Map<string, unknown> | undefined;

  constructor(
    private readonly calls: CallMaker,
    readonly target: StubTarget | undefined,
    private readonly isFunction: boolean,
    private readonly options: CallOptions | undefined,
  ) {}

  get(shape: any, key: PropertyKey): unknown {
    if (typeof key === "symbol") return this.disposer(key);
    const name = String(key);
    if (this.isFunction) return functionProperties.has(name) ? shape[name] : undefined;
    const method = this.methods?.get(name);
    return method ?? (isUncallable(name) ? undefined : this.method(name));
  }

  apply(_shape: any, _self: unknown, args: unknown[]): unknown {
    return this.calls.call(this.target, "", args, this.options);
  }

  private method(name: string): unknown {
    const method = (...args: unknown[]) => this.calls.call(this.target, name, args, this.options);
    this.methods ??= new Map();
    if (this.methods.size < METHODS_MAX) this.methods.set(name, method);
    return method;
  }

  private disposer(key: symbol): unknown {
    if (!this.target) return undefined;
    if (key === Symbol.dispose) return () => release(this.self);
    return key === Symbol.asyncDispose ? async () => release(this.self) : undefined;
  }
}

/** A stub: of the root without `target`. */
export function makeStub(calls: CallMaker, target?: StubTarget, isFunction = false, options?: CallOptions): any {
  const handler = new StubHandler(calls, target, isFunction, options);
  handler.self = new Proxy(isFunction ? functionShape : objectShape, handler);
  handlers.set(handler.self, handler);
  return handler.self;
}

/** Undefined if `value` is no stub; what it calls if it is one: null for a root. */
export function stubTargetOf(value: object): StubTarget | null | undefined {
  const handler = handlers.get(value);
  return handler && (handler.target ?? null);
}

/** What passes a call of `method` on to a stub: undefined if `value` is no stub, false if it has no such method. */
export function stubMethod(value: object, method: string): ((...args: unknown[]) => unknown) | false | undefined {
  if (!handlers.has(value)) return undefined;
  if (typeof value === "function") return method === "" && (value as any);
  return (value as any)[method] ?? false;
}

/**
 * Gives back what the far side lent: it may forget it. Calls of the stub fail from now on with `reference_released`;
 * those that are not answered yet go on. Does nothing the second time. `using stub` and `stub[Symbol.dispose]()` do the
 * same.
 *
 * A stub that is collected as garbage is released too, some time later: do not rely on it for anything large.
 */
export function release(stub: object): void {
  const target = handlers.get(stub)?.target;
  if (!target) throw localError("invalid_argument", "only a stub of a function or object can be released");
  target.references.release(target);
}
