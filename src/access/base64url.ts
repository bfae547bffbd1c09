/** Octets as text that fits an address, a header and JSON: base64url of RFC 4648 without padding. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const values = new Map([...ALPHABET].map((character, value) => [character, value]));

/** `octets` as base64url without padding: 22 characters for 16 octets, 43 for 32. */
export function encodeBase64url(octets: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    held = (held << 8) | octet;
    for (bits += 8; bits >= 6; ) {
      bits -= 6;
      text += ALPHABET[(held >>> bits) & 63];
    }
    held &= 0xff;
  }
  return bits === 0 ? text : text + ALPHABET[(held << (6 - bits)) & 63];
}

/** The `bytes` octets that `text` stands for; undefined unless it is what {@link encodeBase64url} makes of them. */
export function decodeBase64url(text: string, bytes: number): Uint8Array | undefined {
  if (text.length !== Math.ceil((bytes * 4) / 3)) return undefined;
  const octets = new Uint8Array(bytes);
  let [length, bits, held] = [0, 0, 0];
  for (const character of text) {
    const value = values.get(character);
    if (value === undefined) return undefined;
    held = (held << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      octets[length++] = held >>> bits;
    }
    held &= (1 << bits) - 1;
  }
  return held === 0 ? octets : undefined;
}
