/** A small generator of numbers below `below`; the same seed gives the same numbers. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Golden octets put together and damaged, or plain noise. */
export function hostileOctets(random: (below: number) => number, samples: readonly Uint8Array[]): Uint8Array {
  const count = 1 + random(4);
  const parts = Array.from({ length: count }, () => [...(samples[random(samples.length)] as Uint8Array)]);
  const octets = count === 1 ? (parts[0] as number[]) : [0x90 | count, ...parts.flat()];
  if (random(8) === 0) octets.splice(0, octets.length, ...octets.map(() => random(256)));
  for (let i = random(4); i > 0; i--) {
    const at = random(octets.length + 1);
    const change = random(4);
    if (change === 0) octets[at] = random(256);
    else if (change === 1) octets[at] = (octets[at] ?? 0) ^ (1 << random(8));
    else if (change === 2) octets.splice(at, random(4));
    else octets.splice(at, 0, ...(samples[random(samples.length)] as Uint8Array));
  }
  return new Uint8Array(octets);
}

/** Where the MessagePack value at 0 ends, found by its lengths alone. It must be whole. */
export function endOf(octets: Uint8Array): number {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  let offset = 0;
  const unsigned = (bytes: number): number => {
    offset += bytes;
    if (bytes === 1) return view.getUint8(offset - 1);
    return bytes === 2 ? view.getUint16(offset - 2) : view.getUint32(offset - 4);
  };
  for (let values = 1; values > 0; values--) {
    const head = unsigned(1);
    let skipped = 0;
    if (head >= 0x80 && head < 0x90) values += 2 * (head & 15);
    else if (head >= 0x90 && head < 0xa0) values += head & 15;
    else if (head >= 0xa0 && head < 0xc0) skipped = head & 31;
    else if (head >= 0xc4 && head < 0xc7) skipped = unsigned(1 << (head - 0xc4));
    else if (head >= 0xc7 && head < 0xca) skipped = 1 + unsigned(1 << (head - 0xc7));
    else if (head >= 0xca && head < 0xcc) skipped = 4 << (head - 0xca);
    else if (head >= 0xcc && head < 0xd4) skipped = 1 << (head & 3);
    else if (head >= 0xd4 && head < 0xd9) skipped = 1 + (1 << (head - 0xd4));
    else if (head >= 0xd9 && head < 0xdc) skipped = unsigned(1 << (head - 0xd9));
    else if (head >= 0xdc && head < 0xde) values += unsigned(2 << (head - 0xdc));
    else if (head >= 0xde && head < 0xe0) values += 2 * unsigned(2 << (head - 0xde));
    offset += skipped;
  }
  return offset;
}
