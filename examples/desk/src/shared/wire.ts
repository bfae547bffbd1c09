/** What the desk and its clients say to each other. Both sides import it; it has no code but the limits. */

/** The largest file that the desk takes. */
export const FILE_BYTES_MAX = 64_000_000;
/** A file travels in parts of this size, one call each. */
export const PART_BYTES = 128 * 1024;

/** How far the work on a file is. The bytes never go down within a step. */
export interface Progress {
  readonly step: "reading" | "drawing";
  readonly bytes: number;
  readonly bytesTotal: number;
  readonly rows: number;
}

/** What the desk asks in the middle of its work. */
export interface Question {
  readonly text: string;
  /** The answers there are; the first one is what most people want. */
  readonly options: readonly string[];
}

/** What the desk may call on its client. */
export interface DeskClient {
  /** Tells how far the work is. Nobody waits for it. */
  progress(progress: Progress): void;
  /** Asks a person, and waits for the answer: one of the options, or undefined to stop the work. */
  ask(question: Question): Promise<string | undefined>;
}

/** A file that is about to be sent. */
export interface FileHead {
  readonly name: string;
  readonly bytes: number;
}

/** A finished report. */
export interface Report {
  /** Whoever has it may open the report again: 128 random bits. */
  readonly ticket: string;
  /** Its page: a signed URL, to be resolved against the session's address. It is there as long as the session is. */
  readonly page: string;
  readonly fileName: string;
  readonly title: string;
  readonly rows: number;
  readonly rowsLeftOut: number;
  readonly finishedAt: Date;
  /** The chart: an SVG document, as octets. */
  readonly chart: Uint8Array;
  /** The chart in words, for those who do not see it. */
  readonly chartInWords: string;
}

/** What the desk refuses, by the `code` of its errors. */
export type RefusalCode = "too_large" | "not_csv" | "busy" | "cancelled" | "no_file";
