/** Messages of rpc as somebody might send them who knows the protocol and means no good: by type, by number, damaged. */
import { readFileSync } from "node:fs";
import { hostileOctets } from "./value-fuzz.js";

type Random = (below: number) => number;

interface Vectors {
  readonly values: readonly { readonly hex: string }[];
  readonly blobs: readonly { readonly hex: string }[];
  readonly refused: readonly { readonly hex: string }[];
}

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const vectors = JSON.parse(readFileSync(new URL("../../spec/vectors/values.json", import.meta.url), "utf8")) as Vectors;
const whole = [...vectors.values, ...vectors.blobs].map(({ hex }) => fromHex(hex)).filter(({ length }) => length < 100);
const samples = [...whole, ...vectors.refused.map(({ hex }) => fromHex(hex)).filter(({ length }) => length < 100)];

/** What follows the type in a message of each length of array, by type: c call or number, t target, m method … */
const forms: readonly (readonly [type: number, fields: string])[] = [
  ...([
    [1, "ctma"],
    [1, "ctmao"],
    [2, "cv"],
    [3, "cv"],
    [3, "ce"],
    [4, "c"],
    [5, "nn"],
    [6, "n"],
  ] as const),
  ...([
    [7, "nn"],
    [8, "nv"],
    [9, "n"],
    [10, "ne"],
    [11, "n"],
    [11, "ne"],
    [12, "nv"],
    [12, "nn"],
  ] as const),
];
const methods = [
  "echo",
  "later",
  "lend",
  "call",
  "count",
  "read",
  "fail",
  "",
  "constructor",
  "__proto__",
  "then",
  "nothing",
];

/** One write of a far side: 1 to 8 messages, most of them whole. Calls are numbered from `nextCall` on. */
export function hostileMessages(random: Random): Uint8Array {
  let nextCall = 1;
  const parts: Uint8Array[] = [];
  const fields: Record<string, () => Uint8Array> = {
    c: () => number(random),
    n: () => number(random),
    t: () => target(random),
    m: () => text(methods[random(methods.length)] as string),
    a: () => array(random),
    o: () => options(random),
    v: () => value(random),
    e: () => error(random),
  };
  for (let i = 1 + random(8); i > 0; i--) {
    // Calls above all: they are what the rest is about.
    const [type, form] = (random(3) ? forms[random(2)] : forms[random(forms.length)]) as (typeof forms)[number];
    const isAny = random(40) === 0;
    parts.push(Uint8Array.of(0x90 | (1 + form.length), isAny ? random(32) : type));
    for (const [at, field] of [...form].entries()) {
      const inTurn = type === 1 && at === 0 && random(20) > 0;
      parts.push(inTurn ? Uint8Array.of(nextCall++) : (fields[field]?.() as Uint8Array));
    }
  }
  const octets = Buffer.concat(parts);
  return random(10) === 0 ? hostileOctets(random, [octets]) : new Uint8Array(octets);
}

function number(random: Random): Uint8Array {
  const one = random(30);
  if (one === 0) return fromHex("cf001fffffffffffff");
  return one === 1 ? Uint8Array.of(random(256)) : Uint8Array.of(1 + random(4));
}

function target(random: Random): Uint8Array {
  const one = random(8);
  if (one > 3) return Uint8Array.of(0);
  return one === 0 ? Uint8Array.of(0x100 - 1 - random(3)) : number(random);
}

function text(of: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(0xa0 | of.length), Buffer.from(of)]);
}

/** References and streams of all types with small numbers, golden values, and damaged ones. */
function value(random: Random): Uint8Array {
  const one = random(6);
  if (one < 2) {
    const type = 0x10 + random(6);
    const octets = [1 + random(4), random(3)].slice(0, 1 + random(8) ? 2 : 1);
    return type === 0x11 || type === 0x14
      ? Uint8Array.of(0xd4, type, octets[0] as number)
      : Uint8Array.of(0xd5, type, ...octets);
  }
  return one === 5 ? hostileOctets(random, samples) : (whole[random(whole.length)] as Uint8Array);
}

function array(random: Random): Uint8Array {
  const values = Array.from({ length: random(4) }, () => value(random));
  return Buffer.concat([Uint8Array.of(0x90 | values.length), ...values]);
}

function options(random: Random): Uint8Array {
  const all = [
    "a164 05",
    "a164 cd0400",
    "a164 c0",
    "a16d 80",
    "a16d 81 a174 a131",
    "a16d 81 a174 01",
    "a178 d51001 00",
  ];
  const some = Array.from({ length: random(3) }, () => fromHex(all[random(all.length)] as string));
  return Buffer.concat([Uint8Array.of(0x80 | some.length), ...some]);
}

function error(random: Random): Uint8Array {
  const codes = ["cancelled", "closed", "toString", "x"];
  const names = ["DuowireError", "constructor", "Error", "TypeError"];
  const name = Buffer.concat([text("name"), text(names[random(4)] as string)]);
  const code = Buffer.concat([text("code"), text(codes[random(4)] as string)]);
  const data = Buffer.concat([text(random(2) ? "data" : "fields"), value(random)]);
  const body = Buffer.concat([Uint8Array.of(0x83), name, code, data]);
  return Buffer.concat([Uint8Array.of(0xc7, body.length & 0xff, 0x08), body]);
}
