/** Errors of the application, on their way between two peers: what crosses, what is a class again, what stays here. */
import { afterEach, expect, test } from "vitest";
import { MalformedOctets, OctetReader, OctetWriter } from "../../src/base/octets.js";
import { ERROR_FIELDS_MAX, registerError } from "../../src/rpc/error-classes.js";
import { RemoteError } from "../../src/rpc/remote-error.js";
import { ValueDecoder, ValueEncoder } from "../../src/rpc/values.js";
import { failure } from "../support/failures.js";
import { octets, Pair } from "./support.js";

let constructed = 0;

class NoMoney extends Error {
  override readonly name: string = "NoMoney";
  readonly missing: number;

  constructor(missing: number, more: object = {}) {
    super(`you are ${missing} short`);
    constructed++;
    this.missing = missing;
    Object.assign(this, more);
  }

  get isLarge(): boolean {
    return this.missing > 100;
  }

  advice(): string {
    return `bring ${this.missing}`;
  }
}
class NoMoneyToday extends NoMoney {}
class Unregistered extends Error {
  readonly secret = "of this side";
}
class Several extends AggregateError {}

registerError(NoMoney);
registerError(Several, "shop.Several");
afterEach(() => {
  constructed = 0;
});

/** The error that a caller gets when the method throws `error`. */
async function thrown(error: unknown, stacks = false): Promise<Error> {
  const service = { fail: () => Promise.reject(error) };
  const pair = new Pair<unknown, typeof service>(undefined, service, {}, { stacks });
  return pair.failure(pair.remoteB.fail());
}

test("registerError lets a class arrive as itself, with its fields and methods, without its constructor", async () => {
  const sent = Object.assign(new NoMoney(120), { code: "no_money", data: { a: 1 }, cause: new TypeError("why") });
  const error = (await thrown(sent)) as NoMoney;
  expect(constructed).toBe(1);
  expect(error).toBeInstanceOf(NoMoney);
  expect(error).toMatchObject({ name: "NoMoney", message: "you are 120 short", missing: 120, isLarge: true });
  expect(error).toMatchObject({ code: "no_money", data: { a: 1 }, remote: true, cause: { name: "TypeError" } });
  expect(error.advice()).toBe("bring 120");
  expect(Object.keys(error).sort()).toStrictEqual(["code", "data", "missing"]);
  expect(error.stack).toBe("NoMoney: you are 120 short");
});

test("registerError counts for subclasses, for errors inside others, and under a name of its own", async () => {
  expect(await thrown(new NoMoneyToday(5))).toBeInstanceOf(NoMoney);
  const several = (await thrown(new Several([new NoMoney(1), new RangeError("x")], "both"))) as Several;
  expect(several).toBeInstanceOf(Several);
  expect(several.name).toBe("shop.Several");
  expect(several.errors[0]).toBeInstanceOf(NoMoney);
  expect(several.errors[1]).toBeInstanceOf(RemoteError);
});

test("An error of a class that is not registered is a RemoteError, and none of its fields cross", async () => {
  const error = (await thrown(new Unregistered("no"))) as RemoteError;
  expect(error).toBeInstanceOf(RemoteError);
  expect(JSON.stringify(Object.entries(error))).not.toContain("of this side");
});

test("An error passed on by a service keeps the fields of a class that is not known there", async () => {
  const error = (await thrown(new RemoteError({ name: "Elsewhere", message: "m", fields: { a: 1 } }))) as RemoteError;
  expect(error).toBeInstanceOf(RemoteError);
  expect(error).toMatchObject({ name: "Elsewhere", fields: { a: 1 } });
});

test("Fields that cannot be sent are left out alone, and so are those beyond the limit", async () => {
  const cannot = { socket: new (class Socket {})(), symbol: Symbol("s"), call: () => 1, date: new Date(Number.NaN) };
  const error = await thrown(new NoMoney(3, { wallet: new Map([["a", 1n]]), ...cannot }));
  expect(Object.keys(error).sort()).toStrictEqual(["missing", "wallet"]);
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, i]));
  expect(Object.keys(await thrown(new NoMoney(3, many)))).toHaveLength(ERROR_FIELDS_MAX);
});

/** What a hostile far side says of an error, as it is here. */
function received(body: Record<string, unknown>): Error {
  const writer = new OctetWriter();
  new ValueEncoder().encode(writer, body);
  const map = writer.take();
  const head = `c9 ${map.length.toString(16).padStart(8, "0")} 08`;
  return new ValueDecoder().decode(new OctetReader(octets(head + Buffer.from(map).toString("hex")))) as Error;
}

test("No error of the far side covers what its class has, or is taken for one of this side", () => {
  const fields = { advice: "evil", isLarge: true, constructor: 1, toString: 2, missing: 7, stack: "x", remote: false };
  const error = received({ name: "NoMoney", message: "m", fields, code: { toString: 1 } }) as NoMoney;
  expect(error.advice()).toBe("bring 7");
  expect(error.isLarge).toBe(false);
  expect(String(error)).toBe("NoMoney: m");
  expect(error).toMatchObject({ remote: true, stack: "NoMoney: m" });
  expect(error.constructor).toBe(NoMoney);
  for (const name of [
    "constructor",
    "toString",
    "__proto__",
    "Object",
    "TypeError",
    "NoMoneyToday",
    "hasOwnProperty",
  ]) {
    const forged = received({ name, message: "m", fields: { a: 1 } });
    expect(Object.getPrototypeOf(forged)).toBe(RemoteError.prototype);
    expect(forged).not.toBeInstanceOf(TypeError);
  }
  const odd = received({ name: "NoMoney", message: "m", fields: [1], errors: "none" });
  expect(Object.keys(odd)).toStrictEqual([]);
});

test("registerError refuses names that are none, that JavaScript has, and that another class has", () => {
  class Other extends Error {}
  for (const name of [
    "",
    "a b",
    "x".repeat(65),
    "Error",
    "TypeError",
    "AggregateError",
    "DuowireError",
    "RemoteError",
  ]) {
    expect(failure(() => registerError(Other, name))).toMatchObject({ code: "invalid_argument" });
  }
  expect(failure(() => registerError(Other, "NoMoney"))).toMatchObject({
    message: expect.stringMatching(/another class/),
  });
  expect(failure(() => registerError(class {} as never, "Plain"))).toMatchObject({ code: "invalid_argument" });
  registerError(NoMoney);
});

test("A stack crosses only from a side that allows it", async () => {
  const error = new NoMoney(1);
  expect((await thrown(error)).stack).not.toContain("errors.test");
  expect((await thrown(error, true)).stack).toContain("errors.test");
});

test("A chain of 10,000 causes is cut by its sender, and ends a session when it comes", async () => {
  let chain = new Error("0");
  for (let i = 1; i < 10_000; i++) chain = new Error(String(i), { cause: chain });
  let depth = 0;
  for (let at: unknown = await thrown(chain); at; at = (at as Error).cause) depth++;
  expect(depth).toBe(16);
  let body = "c7 00 08";
  for (let i = 0; i < 10_000; i++) {
    const length = (body.replaceAll(" ", "").length / 2 + 7).toString(16).padStart(8, "0");
    body = `c9${length}0881a56361757365${body}`;
  }
  expect(failure(() => new ValueDecoder().decode(new OctetReader(octets(body))))).toBeInstanceOf(MalformedOctets);
});
