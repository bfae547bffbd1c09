/**
 * What happened, as one dense line per event, or only as a number that differs when anything happened differently.
 */
const FNV_PRIME = 0x0100_0193;

/** Collects the lines of one history. */
export class Trace {
  /** Mixes everything that was noted; equal histories have equal hashes. */
  hash = 0x811c_9dc5;

  constructor(
    /** Where lines go; undefined when nobody reads them, and then they are not made. */
    private readonly print: ((line: string) => void) | undefined,
  ) {}

  get isOn(): boolean {
    return this.print !== undefined;
  }

  /** Mixes a number into the hash. */
  mix(value: number): void {
    this.hash = Math.imul(this.hash ^ (value | 0), FNV_PRIME);
  }

  /** One line: virtual milliseconds, who, what. Ask {@link isOn} before a line that is costly to make. */
  line(now: number, who: string, what: string): void {
    this.print?.(`${now.toFixed(3).padStart(11)} ${who.padEnd(14)} ${what}`);
  }

  /** Octets that went from one end to another: all of them in the trace, cheap ones of them in the hash. */
  octets(now: number, who: string, what: string, octets: Uint8Array): void {
    this.mix(octets.length);
    this.mix(((octets[0] as number) << 8) | (octets[octets.length - 1] as number));
    this.mix(Math.round(now * 1e3));
    if (this.print === undefined) return;
    let sum = 0x811c_9dc5;
    for (const octet of octets) sum = Math.imul(sum ^ octet, FNV_PRIME);
    this.line(now, who, `${what} ${octets.length} ${(sum >>> 0).toString(16).padStart(8, "0")}`);
  }
}
