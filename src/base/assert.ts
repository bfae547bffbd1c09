/** Our own bug, not a peer's and not a user's: the invariant named in the message does not hold. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Checks what must be true whatever a peer or a user does; a failure ends the communication process it happens in. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(`duowire has a bug: ${invariant}`);
}
