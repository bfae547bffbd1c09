/** What a program remembers of each of the servers that it talks to, however many there are in time. */

/** Keys that are remembered. */
const KEYS_MAX = 256;

/** What `map` holds for `key`, made if there is none. The oldest of more than 256 is forgotten: who uses it has it. */
export function remembered<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const value = make();
  map.set(key, value);
  if (map.size > KEYS_MAX) map.delete(map.keys().next().value ?? "");
  return value;
}
