/** Every limit that the wire has, with its unit last and its default. spec/session.md, section 13, explains each. */

/** The wire's version, stated in each access and attach. */
export const WIRE_VERSION = 1;

/** The octets of messages in one BATCH or FRAGMENT (D8): 64 KiB, and 1 KiB for the call around a value of 64 KiB. */
export const BATCH_BYTES_MAX = 66_560;

/** The payload of any frame: a full batch and its head. A longer one is a protocol error before it is read. */
export const FRAME_BYTES_MAX = BATCH_BYTES_MAX + 64;

/** One write to a link; a longer turn is written in several. A receiver takes at least this much in one message. */
export const WRITE_BYTES_MAX = 262_144;

/** The octets of a PING, and so of its PONG. */
export const PING_BYTES_MAX = 4_096;

/** The octets that an attach may carry ahead of the replay: cancels (D14). */
export const AHEAD_BYTES_MAX = 32_768;

/** How many messages may be cut into fragments at the same time, in one direction. */
export const FRAGMENTED_MESSAGES_MAX = 8;

/** A reason told to the far side is cut to this many characters. */
export const REASON_CHARACTERS_MAX = 1_024;

/** What one side tells the other of how much it takes; each side keeps to what the *other* announced. */
export interface AnnouncedLimits {
  /** Octets of batches that may be on their way without acknowledgement. */
  readonly windowBytes: number;
  /** Calls that may be under way at this side at once. */
  readonly callsInFlightMax: number;
  /** The octets of one message: a call with its arguments, an answer, an item of a stream. */
  readonly messageBytesMax: number;
  /** The octets of all messages of which a first fragment came and the last did not. */
  readonly assemblyBytesMax: number;
  /** Functions and objects that this side takes as lent by the other. */
  readonly referencesMax: number;
}

/** What a side announces unless it is told otherwise; also what is assumed of a side that announces nothing. */
export const defaultLimits: AnnouncedLimits = {
  windowBytes: 1_048_576,
  callsInFlightMax: 1_024,
  messageBytesMax: 4_194_304,
  assemblyBytesMax: 8_388_608,
  referencesMax: 10_000,
};

/** The least that may be announced: below it nothing would work. */
export const leastLimits: AnnouncedLimits = {
  windowBytes: 2 * FRAME_BYTES_MAX,
  callsInFlightMax: 1,
  messageBytesMax: BATCH_BYTES_MAX,
  assemblyBytesMax: BATCH_BYTES_MAX,
  referencesMax: 1,
};

/** Octets of batches that travel with a first access, before the server has said what it takes (D4). */
export const EARLY_BYTES_MAX = 131_072;

/** Octets beyond the window that are kept for what must go even when it is full: credits, cancels, releases (D9). */
export const WINDOW_RESERVE_BYTES = 16_384;
