/** What a fault is told: `router=router-40`, `way=up`; what each fault understands is in its help. */
export type FaultParameters = Readonly<Record<string, string | number | undefined>>;

/** Reads `key=value` words; what looks like a number is one, and a word alone means 1. */
export function readParameters(words: readonly string[]): FaultParameters {
  const entries = words.map((word) => {
    const [key = "", value = "1"] = word.split("=", 2);
    return [key, value !== "" && Number.isFinite(Number(value)) ? Number(value) : value];
  });
  return Object.fromEntries(entries);
}
