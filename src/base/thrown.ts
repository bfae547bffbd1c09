/** What was thrown, as text. Application code throws anything, also what has no text; none of these throws. */

/** The stack of an error, or what it is. */
export function stackOf(thrown: unknown): string {
  return textOf(() => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : thrown));
}

/** The message of an error, or what it is. */
export function messageOf(thrown: unknown): string {
  return textOf(() => (thrown instanceof Error ? thrown.message : thrown));
}

function textOf(read: () => unknown): string {
  try {
    return String(read());
  } catch {
    return "something without a text was thrown";
  }
}
