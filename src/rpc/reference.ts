/** How functions, objects, streams, signals and results stand in a value: spec/values.md. The numbers are the wire. */

/** A reference that its sender lends: a function or a target. */
export const REF_LENT = 0x10;
/** A reference that comes home: the number is one that the receiver gave. */
export const REF_HOME = 0x11;
/** A stream: one that its sender will fill, or a writable one that its receiver may fill. */
export const REF_STREAM = 0x12;
/** An abort signal that its sender will abort. */
export const REF_SIGNAL = 0x13;
/** The result of an earlier call of the sender. */
export const REF_RESULT = 0x14;

/** The extension type of a reference. */
export type ReferenceType = 0x10 | 0x11 | 0x12 | 0x13 | 0x14;

/** How many kinds each type of reference has, from {@link REF_LENT} on: with any, a kind octet follows the number. */
export const referenceKinds = [2, 0, 4, 2, 0];

/** How a function or an object crosses as a reference. */
export interface Reference {
  readonly type: ReferenceType;
  readonly number: number;
  /** For a lent one 0 function, 1 target; for a stream {@link StreamKind}; for a signal 1 if aborted. */
  readonly kind?: number;
}
