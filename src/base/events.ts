/** An EventTarget that knows the names of its events and what each of them is. */
export interface TypedEventTarget<Events extends object> extends EventTarget {
  addEventListener<Name extends keyof Events & string>(
    type: Name,
    listener: (event: Events[Name]) => void,
    options?: AddEventListenerOptions | boolean,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: AddEventListenerOptions | boolean,
  ): void;
}

/** CustomEvents by name, from what each carries in `detail`. */
type CustomEvents<Details extends object> = { [Name in keyof Details]: CustomEvent<Details[Name]> };

/** The platform's EventTarget, typed by what its events carry: extend what this returns. */
export function typedEventTarget<Details extends object>(): new () => TypedEventTarget<CustomEvents<Details>> {
  return EventTarget as new () => TypedEventTarget<CustomEvents<Details>>;
}
