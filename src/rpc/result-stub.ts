/**
 * `call.result`: what a call will return, as something that can be called and passed on before it is there. The calls
 * travel at once, and the far side makes them when it has the result (D17).
 */
import { isUncallable } from "./method-table.js";
import type { PendingCall } from "./remote-call.js";

/** What the proxies are of: whether the result is a function or an object, only the far side knows. */
const shape = () => {};
for (const key of Reflect.ownKeys(shape)) Reflect.deleteProperty(shape, key);
Object.freeze(shape);

const calls = new WeakMap<object, PendingCall>();

/** Makes what stands for the result of `call`. Each name is a method's; called itself, it is a function. */
export function makeResult(call: PendingCall): object {
  const invoke = (method: string, args: readonly unknown[]) => call.owner.call(call, method, args, call.options);
  const result = new Proxy(shape, {
    get: (_shape, key) =>
      typeof key === "symbol" || isUncallable(key) ? undefined : (...args: unknown[]) => invoke(key, args),
    apply: (_shape, _self, args: unknown[]) => invoke("", args),
  });
  calls.set(result, call);
  return result;
}

/** The call whose result `value` is, if it is one that {@link makeResult} made. */
export function callOfResult(value: object): PendingCall | undefined {
  return calls.get(value);
}
