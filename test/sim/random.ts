/** Seeded pseudo-random numbers, the simulator's only source of chance: sfc32 by Chris Doty-Humphrey. */

const TWO_POW_32 = 4_294_967_296;
const WARM_UP_ROUNDS = 12;

/** One stream of numbers. The same seed and name give the same stream; another name gives an unrelated one. */
export class Random {
  private a: number;
  private b: number;
  private c = 0x9e37_79b9;
  private d = 1;

  constructor(
    readonly seed: number,
    name: string,
  ) {
    this.a = seed | 0;
    this.b = (seed / TWO_POW_32) | 0;
    for (let i = 0; i < name.length; i++) this.c = Math.imul(this.c ^ name.charCodeAt(i), 0x0100_0193);
    for (let i = 0; i < WARM_UP_ROUNDS; i++) this.word();
  }

  /** A number in [0, 1). */
  next(): number {
    return this.word() / TWO_POW_32;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A number in [low, high), as likely between 1 and 10 as between 10 and 100. */
  spread(low: number, high: number): number {
    return low * (high / low) ** this.next();
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  octets(count: number): Uint8Array {
    const octets = new Uint8Array(count);
    for (let i = 0; i < count; i++) octets[i] = this.word() & 0xff;
    return octets;
  }

  private word(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }
}
