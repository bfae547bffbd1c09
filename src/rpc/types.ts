/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What a type looks like from the far side. Read the four at the end first: {@link Remote}, {@link Stub}, {@link Sent},
 * {@link Received}.
 */
import type { RemoteCall } from "./remote-call.js";
import type { Target } from "./service.js";

declare const stubOf: unique symbol;

/** Exists for the compiler only: under this name a call remembers what it will return. */
export declare const resultOf: unique symbol;

/** Exists for the compiler only: under this name a service remembers what its client exposes. */
export declare const exposed: unique symbol;

/** Any function. */
type Callable = (...args: never) => unknown;

/** Names that no method can have (method-table.ts). */
type ReservedName =
  | "fetch"
  | "opened"
  | "interrupted"
  | "resumed"
  | "client"
  | "session"
  | "then"
  | "catch"
  | "finally"
  | "dispose"
  | "toJSON"
  | "constructor"
  | "toString"
  | "toLocaleString"
  | "valueOf"
  | "hasOwnProperty"
  | "isPrototypeOf"
  | "propertyIsEnumerable";

/** The names of `T` that can be called from afar. */
type MethodName<T> = {
  [Name in keyof T]-?: Name extends string
    ? Name extends ReservedName | `_${string}` | ""
      ? never
      : NonNullable<T[Name]> extends Callable
        ? Name
        : never
    : never;
}[keyof T];

/** What has no references inside, or is none of our business: passed as it is. */
type Opaque =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: what a method returns that returns nothing.
  | void
  | Date
  | RegExp
  | URL
  | Error
  | AbortSignal
  | ArrayBuffer
  | ArrayBufferView
  | Blob;

/** What is asked for one item after the other. */
type Items<T> = AsyncIterable<T> | Generator<T>;

type IsAny<T> = 0 extends 1 & T ? true : false;

/** How deep {@link HasReference} looks: recursive types have no end. */
type Depth = [never, 0, 1, 2, 3, 4];

/** What arrives for the items of an iterable. */
type ReceivedItems<T> = AsyncGenerator<T, undefined, undefined>;

/**
 * `true` among the members if there is something inside that arrives as something else: a function, a target or a stub,
 * a subclass of Uint8Array such as Node's Buffer, an iterable with more than iterables have, such as Node's Readable.
 * Only then is a type mapped.
 */
type HasReference<T, D extends number = 5> =
  IsAny<T> extends true
    ? false
    : [D] extends [never]
      ? false
      : T extends Opaque
        ? T extends Uint8Array
          ? Uint8Array<ArrayBuffer> extends T
            ? false
            : true
          : false
        : T extends Callable | Target | { readonly [stubOf]: unknown }
          ? true
          : T extends Generator | WritableStream<never>
            ? true
            : T extends ReadableStream<infer V>
              ? HasReference<V, Depth[D]>
              : T extends AsyncIterable<infer V>
                ? ReceivedItems<V> extends T
                  ? HasReference<V, Depth[D]>
                  : true
                : T extends ReadonlyMap<infer K, infer V>
                  ? HasReference<K, Depth[D]> | HasReference<V, Depth[D]>
                  : T extends ReadonlySet<infer V>
                    ? HasReference<V, Depth[D]>
                    : T extends readonly (infer V)[]
                      ? HasReference<V, Depth[D]>
                      : T extends object
                        ? { [K in keyof T]-?: HasReference<T[K], Depth[D]> }[keyof T]
                        : false;

type ReceivedMapped<T> = T extends Opaque
  ? T extends Uint8Array
    ? Uint8Array<ArrayBuffer>
    : T
  : T extends { readonly [stubOf]: infer Home }
    ? Home
    : T extends Callable | Target
      ? Stub<T>
      : T extends ReadableStream<infer V>
        ? ReadableStream<Received<V>>
        : T extends WritableStream<infer V>
          ? WritableStream<Sent<V>>
          : T extends Items<infer V>
            ? ReceivedItems<Received<V>>
            : T extends ReadonlyMap<infer K, infer V>
              ? Map<Received<K>, Received<V>>
              : T extends ReadonlySet<infer V>
                ? Set<Received<V>>
                : { [K in keyof T]: Received<T[K]> };

type SentMapped<T> = T extends Opaque
  ? T
  : T extends { readonly [stubOf]: infer Home }
    ? // Not `T` itself: two functions would leave the parameters of a third one without a type.
      Sent<Home> | { readonly [stubOf]: Home }
    : T extends Target
      ? T | Stub<T>
      : T extends (...args: infer Args) => infer Result
        ? (...args: ReceivedList<Args>) => SentResult<Awaited<Result>>
        : T extends ReadableStream<infer V>
          ? ReadableStream<Sent<V>>
          : T extends WritableStream<infer V>
            ? WritableStream<Received<V>>
            : T extends Items<infer V>
              ? Items<Sent<V>>
              : T extends ReadonlyMap<infer K, infer V>
                ? ReadonlyMap<Sent<K>, Sent<V>>
                : T extends ReadonlySet<infer V>
                  ? ReadonlySet<Sent<V>>
                  : { [K in keyof T]: Sent<T[K]> };

/** What a function may return that is passed: it may be async, and where nothing is expected, anything. */
// biome-ignore lint/suspicious/noConfusingVoidType: it becomes a return type.
type SentResult<T> = void extends T ? void : Sent<T> | PromiseLike<Sent<T>>;
type ReceivedList<Args extends readonly unknown[]> = { [K in keyof Args]: Received<Args[K]> };
type PassedList<Args extends readonly unknown[]> = { [K in keyof Args]: Passed<Args[K]> };

/** A function as called from afar. Of overloads only the last counts, and type parameters become what they extend. */
type RemoteMethod<F> = F extends (...args: infer Args) => infer Result
  ? (...args: PassedList<Args>) => RemoteCall<Received<Awaited<Result>>>
  : never;

type MethodsOf<T, Names extends PropertyKey> = {
  readonly [Name in MethodName<T> & Names]: RemoteMethod<NonNullable<T[Name]>>;
};

/**
 * The far side's view of `T`, a service or what a client exposes: its methods, each of which returns a
 * {@link RemoteCall}. Hidden are fields that are no functions, `private` and `protected` members, names with `_` before
 * them and reserved names. With `typeof Desk` instead of `Desk`, `static remote` narrows it.
 */
export type Remote<T> = T extends abstract new (
  ...args: never
) => infer Instance
  ? MethodsOf<Instance, T extends { readonly remote: readonly (infer Name extends string)[] } ? Name : PropertyKey>
  : MethodsOf<T, PropertyKey>;

/**
 * A function or a Target of the far side, as it is here: call it, pass it back home, and release it with `using`, with
 * `release(stub)`, or let it be collected.
 */
export type Stub<T> = (T extends Callable ? RemoteMethod<T> : MethodsOf<T, PropertyKey>) &
  Disposable &
  AsyncDisposable & { readonly [stubOf]: T };

/** What stands for a result of type `T` that may not be there yet: a {@link RemoteCall}, or its `result`. */
export interface ResultOf<T> {
  /** Exists for the compiler only. */
  readonly [resultOf]: T;
}

/**
 * What a call will return, before it is there: the methods of the object, or the function, that it returns. Of data
 * there is nothing to call; it can be passed on.
 */
export type Pipelined<T> = ResultOf<T> &
  (T extends { readonly [stubOf]: infer Home }
    ? Home extends Callable
      ? RemoteMethod<Home>
      : MethodsOf<Home, PropertyKey>
    : unknown);

/** What an argument may be where the far side's method declares `T`: a value, or a call of it that returns one. */
export type Passed<T> = Sent<T> | ResultOf<Received<T>>;

/** What may be passed where the far side's method declares `T`: functions may be async, targets be here or there. */
export type Sent<T> = true extends HasReference<T> ? SentMapped<T> : T;

/** What arrives where the far side's method returns `T`: functions and targets are stubs. */
export type Received<T> = true extends HasReference<T> ? ReceivedMapped<T> : T;

/**
 * What a client of the service `S`, or of its class `typeof S`, exposes: functions may be async, whatever the service's
 * interface says.
 */
export type ClientOf<S> = S extends abstract new (
  ...args: never
) => infer Instance
  ? ClientOf<Instance>
  : S extends { readonly [exposed]?: infer Client }
    ? Sent<NonNullable<Client>>
    : unknown;

/** The stub that a server has of the client of the service `S`. */
export type RemoteClientOf<S> = S extends { readonly client: infer Stub } ? Stub : unknown;
