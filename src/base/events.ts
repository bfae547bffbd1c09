/**
 * What the platform's EventTarget takes besides a name. From its method, since the names of these types are the DOM's,
 * which a program for Node need not have.
 */
export type PlatformListener = Parameters<EventTarget["addEventListener"]>[1];
/** See {@link PlatformListener}. */
export type ListenerOptions = Parameters<EventTarget["addEventListener"]>[2];

/** An EventTarget that knows the names of its events and what each of them is. */
export interface TypedEventTarget<Events extends object> extends EventTarget {
  addEventListener<Name extends keyof Events & string>(
    type: Name,
    listener: (event: Events[Name]) => void,
    options?: ListenerOptions,
  ): void;
  addEventListener(type: string, listener: PlatformListener, options?: ListenerOptions): void;
}

/** CustomEvents by name, from what each carries in `detail`. */
type CustomEvents<Details extends object> = { [Name in keyof Details]: CustomEvent<Details[Name]> };

/** The platform's EventTarget, typed by what its events carry: extend what this returns. */
export function typedEventTarget<Details extends object>(): new () => TypedEventTarget<CustomEvents<Details>> {
  return EventTarget as new () => TypedEventTarget<CustomEvents<Details>>;
}
