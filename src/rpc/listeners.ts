/** Code of the application's that the library calls although no call asks for it: listeners of events and of groups. */
import { detached } from "./on-behalf.js";

/**
 * Runs a listener; what it throws, or rejects with, is told to `failed` and stops nothing. Otherwise it would be an
 * uncaught error of the process, which all clients share and one of them may have caused. It runs outside of the call
 * that caused the event, perhaps another client's: what it calls does not end with that.
 */
export function runListener(run: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = detached(run);
    // Not any thenable: of a call that nobody looks at, the event call_failed tells (D16).
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}

/**
 * Has `target` run all its listeners so from now on, and returns it. For a server's process, one for many clients; in a
 * client, its own platform is told of what its listeners throw, as with any EventTarget.
 */
export function guardListeners<Target extends EventTarget>(
  target: Target,
  failed: (event: Event, error: unknown) => void,
): Target {
  // One guard for each listener, so that the platform knows it again.
  const guards = new WeakMap<object, EventListener>();
  const guarded = (listener: EventListenerOrEventListenerObject | null) => {
    if (!listener) return listener;
    const call = (event: Event) =>
      typeof listener === "function" ? listener.call(target, event) : listener.handleEvent(event);
    const guard: EventListener = (event) =>
      runListener(
        () => call(event),
        (error) => failed(event, error),
      );
    const known = guards.get(listener) ?? guard;
    guards.set(listener, known);
    return known;
  };
  const add = target.addEventListener.bind(target);
  const remove = target.removeEventListener.bind(target);
  return Object.assign<Target, Pick<EventTarget, "addEventListener" | "removeEventListener">>(target, {
    addEventListener: (type, listener, options) => add(type, guarded(listener), options),
    removeEventListener: (type, listener, options) => remove(type, guarded(listener), options),
  });
}
