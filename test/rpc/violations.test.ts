import fc from "fast-check";
import { expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { MalformedOctets } from "../../src/base/octets.js";
import { Target } from "../../src/rpc/service.js";
import { hex, limits, octets, Pair } from "./support.js";

class Lent extends Target {
  hi(): string {
    return "hi";
  }
}

function setUp() {
  const lent = new Lent();
  const root = { echo: (value: unknown) => value, lend: () => lent, never: () => new Promise<void>(() => {}) };
  return new Pair<unknown, typeof root>(undefined, root);
}

/** What `b` answers to these octets. */
async function answerOf(pair: ReturnType<typeof setUp>, message: string): Promise<string> {
  pair.b.peer.receive(octets(message), 0);
  await new Promise((resolve) => setImmediate(resolve));
  return pair.b.sink.messages
    .splice(0)
    .map((sent) => hex(sent.octets))
    .join(" ");
}

const echo = "a4 6563686f";

test.each([
  ["no array", "01 01"],
  ["an array of another length", `94 01 01 00 ${echo}`],
  ["a length in two octets", `dc0005 01 01 00 ${echo} 90`],
  ["type 0", "92 00 01"],
  ["a type in two octets", `95 cc01 01 00 ${echo} 90`],
  ["an unknown type", "92 0d 01"],
  ["a reserved type", "93 1f 01 01"],
  ["CREDIT without a stream", "93 07 01 10"],
  ["ITEM without a stream", "93 08 01 c0"],
  ["END without a stream", "92 09 01"],
  ["BREAK without a stream", "93 0a 01 c0"],
  ["STOP without a stream", "92 0b 01"],
  ["call 0", `95 01 00 00 ${echo} 90`],
  ["call -1", `95 01 ff 00 ${echo} 90`],
  ["call 1.5", `95 01 cb3ff8000000000000 00 ${echo} 90`],
  ["call 2^53", `95 01 cf0020000000000000 00 ${echo} 90`],
  ["call as text", `95 01 a131 00 ${echo} 90`],
  ["call above what may be open", `95 01 cd1000 00 ${echo} 90`],
  ["target -2^53", `95 01 01 d3ffe0000000000000 ${echo} 90`],
  ["target as text", `95 01 01 a130 ${echo} 90`],
  ["method as octets", "95 01 01 00 c40161 90"],
  ["method that is no UTF-8", "95 01 01 00 a1ff 90"],
  ["arguments as map", `95 01 01 00 ${echo} 80`],
  ["arguments as nil", `95 01 01 00 ${echo} c0`],
  ["options as array", `96 01 01 00 ${echo} 90 90`],
  ["options as nil", `96 01 01 00 ${echo} 90 c0`],
  ["deadline as text", `96 01 01 00 ${echo} 90 81 a164 a131`],
  ["deadline below 0", `96 01 01 00 ${echo} 90 81 a164 ff`],
  ["deadline NaN", `96 01 01 00 ${echo} 90 81 a164 cb7ff8000000000000`],
  ["a value that is cut off", `95 01 01 00 ${echo} 91 a5 61`],
  ["a message that is cut off", `95 01 01 00`],
  ["an octet of a message", "95"],
  ["the octet that MessagePack never uses", `95 01 01 00 ${echo} 91 c1`],
  ["reference 0", `95 01 01 00 ${echo} 91 d5 10 00 00`],
  ["RESULT of a call that is not open", "93 02 01 c0"],
  ["FAILURE of a call that is not open", "93 03 01 c0"],
  ["RELEASE of what is not lent", "93 05 01 01"],
  ["RELEASE of nothing", "93 05 01 00"],
  ["CANCEL of a call that cannot be", "92 04 cd1000"],
  ["REVOKE of number 0", "92 06 00"],
])("receive takes %s for a violation", (_name, message) => {
  const pair = setUp();
  let error: unknown;
  try {
    pair.b.peer.receive(octets(message), 0);
  } catch (thrown) {
    error = thrown;
  }
  const isMalformed = error instanceof MalformedOctets;
  const isViolation = error instanceof DuowireError && error.code === "protocol_error" && error.side === "remote";
  expect(isMalformed || isViolation, String(error)).toBe(true);
  expect(pair.b.sink.messages).toEqual([]);
});

test.each([
  ["a refused value", `95 01 01 00 ${echo} 91 81 a9 5f5f70726f746f5f5f 01`, "invalid_argument"],
  ["a home reference never lent", `95 01 01 00 ${echo} 91 d4 11 05`, "reference_unknown"],
  ["a stream of an unknown kind", `95 01 01 00 ${echo} 91 d5 12 01 04`, "invalid_argument"],
  ["a target never lent", `95 01 01 07 ${echo} 90`, "reference_unknown"],
  ["a root called as a function", "95 01 01 00 a0 90", "method_unknown"],
  ["an unknown method", "95 01 01 00 a178 90", "method_unknown"],
  ["a deadline that passed", `96 01 01 00 ${echo} 90 81 a164 00`, "deadline_exceeded"],
])("receive answers %s for that call alone", async (_name, message, code) => {
  const pair = setUp();
  expect(await answerOf(pair, message)).toContain(Buffer.from(code).toString("hex"));
  expect(await answerOf(pair, `95 01 02 00 ${echo} 91 05`)).toBe("93020205");
  expect(pair.b.peer.figures).toMatchObject({ runningCount: 0, heldCount: 0 });
});

test("receive takes numbers in any form, unknown options, metadata and a deadline to come", async () => {
  const pair = setUp();
  expect(await answerOf(pair, `95 01 cf0000000000000001 d000 d904 6563686f dc0001 05`)).toBe("93020105");
  expect(await answerOf(pair, `96 01 cd0002 00 ${echo} 91 05 82 a16d 80 a178 91 05`)).toBe("93020205");
  expect(await answerOf(pair, `96 01 03 00 ${echo} 91 05 81 a164 cb 7ff0000000000000`)).toBe("93020305");
});

test("receive goes on behind a refused value in the same batch", async () => {
  const pair = setUp();
  const refused = `95 01 01 00 ${echo} 92 81 a9 5f5f70726f746f5f5f 01 d5 10 01 00`;
  const answers = await answerOf(pair, `${refused} 95 01 02 00 ${echo} 91 05`);
  expect(answers).toMatch(/^83|93/);
  expect(answers.endsWith("93020205")).toBe(true);
  // The function that came with the refused value is given back.
  expect(hex(pair.b.peer.urgent(1_000) as Uint8Array)).toBe("93050101");
});

test("a refused RESULT rejects that call alone and gives back what came with it", async () => {
  const pair = setUp();
  const first = pair.remoteB.echo(1);
  const second = pair.remoteB.echo(2);
  pair.a.peer.receive(octets("93 02 01 92 d5 10 01 00 81 a9 5f5f70726f746f5f5f 01  93 02 02 07"), 0);
  await expect(first).rejects.toMatchObject({ code: "invalid_argument", side: "remote", outcome: "answered" });
  expect(await second).toBe(7);
  expect(hex(pair.a.peer.urgent(1_000) as Uint8Array)).toBe("93050101");
});

test("an answer that comes twice, and one to a waiting call, are violations", () => {
  const pair = setUp();
  pair.remoteB.echo(1).catch(() => {});
  pair.a.peer.receive(octets("93 02 01 07"), 0);
  expect(() => pair.a.peer.receive(octets("93 02 01 07"), 0)).toThrow(/not open/);
});

test("RELEASE of more than was lent, and a reference that changes its kind, are violations", async () => {
  const pair = setUp();
  await pair.answer(pair.remoteB.lend());
  expect(() => pair.b.peer.receive(octets("93 05 01 02"), 0)).toThrow(/release/);
  pair.b.peer.receive(octets("93 05 01 01"), 0);
  expect(() => pair.b.peer.receive(octets("93 05 01 01"), 0)).toThrow(/release/);

  const other = setUp();
  other.b.peer.receive(octets(`95 01 01 00 ${echo} 91 d5 10 01 00`), 0);
  expect(() => other.b.peer.receive(octets(`95 01 02 00 ${echo} 91 d5 10 01 01`), 0)).toThrow(/kind/);
});

test("a target that was released is answered reference_released, one never lent reference_unknown", async () => {
  const pair = setUp();
  await pair.answer(pair.remoteB.lend());
  pair.b.peer.receive(octets("93 05 01 01"), 0);
  expect(await answerOf(pair, "95 01 02 01 a26869 90")).toContain(Buffer.from("reference_released").toString("hex"));
  expect(await answerOf(pair, "95 01 03 02 a26869 90")).toContain(Buffer.from("reference_unknown").toString("hex"));
});

test("a function has no methods, an object is no function, and paths lead nowhere", async () => {
  const pair = setUp();
  await pair.answer(pair.remoteB.lend());
  const unknown = Buffer.from("method_unknown").toString("hex");
  for (const [index, method] of ["", "constructor", "hi.call", "__proto__", "apply"].entries()) {
    const name = Buffer.from(method).toString("hex");
    expect(
      await answerOf(pair, `95 01 0${index + 2} 01 ${hex(Uint8Array.of(0xa0 + method.length))}${name} 90`),
    ).toContain(unknown);
  }
});

test("names that no method has, and what no method is, have one and the same answer", async () => {
  class Odd extends Target {
    field = () => 1;
    get getter(): () => number {
      throw new Error("a getter is not asked");
    }
    #hard(): number {
      return 1;
    }
    soft(): number {
      return this.#hard();
    }
    _hidden(): number {
      return 1;
    }
    static own(): number {
      return 1;
    }
  }
  const pair = new Pair(undefined, new Odd());
  const inherited = Object.getOwnPropertyNames(Object.prototype);
  const names = ["field", "getter", "#hard", "hard", "_hidden", "own", "prototype", "then", "soft.call", "soft ", ""];
  const answers = new Set<string>();
  let number = 0;
  for (const name of [...inherited, ...names, "x".repeat(1_000_000)]) {
    const octetsOfName = Buffer.from(name);
    const head = Buffer.alloc(5);
    head[0] = 0xdb;
    head.writeUInt32BE(octetsOfName.length, 1);
    pair.b.peer.receive(
      Buffer.concat([octets(`95 01 ${(++number).toString(16).padStart(2, "0")} 00`), head, octetsOfName, octets("90")]),
      0,
    );
    answers.add(hex(pair.b.sink.hand()).slice(6));
  }
  expect(answers.size).toBe(1);
  expect([...answers][0]).toContain(Buffer.from("method_unknown").toString("hex"));
  expect(pair.b.told.serviceErrors).toEqual([]);
});

test("references above what was announced are a violation, but for the first 64", () => {
  for (const [referencesMax, allowed] of [
    [10, 64],
    [70, 70],
  ] as const) {
    const root = { echo: () => 1 };
    const pair = new Pair(undefined, root, {}, { limits: { ...limits, referencesMax } });
    const lend = (n: number) =>
      `95 01 ${number(n)} 00 ${echo} 91 ${n < 0x40 ? "d5 10" : "c703 10 40"} ${number(n, true)} 00`;
    for (let n = 1; n <= allowed; n++) pair.b.peer.receive(octets(lend(n)), 0);
    expect(() => pair.b.peer.receive(octets(lend(allowed + 1)), 0)).toThrow(/reference/);
  }
});

/** A number below 128; as a reference's varint, the second octet of two. */
function number(n: number, _isVarint = false): string {
  return n.toString(16).padStart(2, "0");
}

test("receive of any octets throws only MalformedOctets or a violation, and leaves nothing unhandled", async () => {
  const unhandled: unknown[] = [];
  const listener = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", listener);
  const valid = [
    `95 01 01 00 ${echo} 91 d5 10 01 00`,
    `96 01 02 00 ${echo} 91 05 81 a164 64`,
    `95 01 02 00 ${echo} 92 d4 14 01 d4 14 01`,
    `95 01 03 fe a0 91 81 a178 d4 14 01`,
    `95 01 01 00 a5 6e65766572 92 d5 13 03 00 d5 13 04 01`,
    "92 04 01",
    "93 05 01 01",
    "92 06 01",
    `95 01 03 00 ${echo} 92 d5 12 01 02 d5 12 02 03`,
    "93 07 ff 40",
    "93 07 01 40",
    "93 08 01 05",
    "92 09 01",
    "93 0a 01 c0",
    "92 0b fe",
    "93 0b 01 a1 78",
    "93 0c 03 a1 78",
    "93 02 01 d5 10 02 01",
    "93 03 01 c7 10 08 82 a46e616d65 a145 a76d657373616765 a0",
  ].map(octets);
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(fc.constantFrom(...valid), fc.nat(63), fc.nat(255), fc.boolean())
      .map(([base, at, octet, isCut]) =>
        isCut ? base.slice(0, at) : base.map((old, index) => (index === at % base.length ? octet : old)),
      ),
    fc.constantFrom(...valid),
  );
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 12 }), async (messages) => {
        const pair = setUp();
        pair.b.remote<{ x(f: () => void): void }>().x(() => {});
        try {
          for (const one of messages) pair.b.peer.receive(one, 0);
          pair.b.peer.urgent(1_000);
        } catch (error) {
          const isViolation = error instanceof DuowireError && error.code === "protocol_error";
          if (!isViolation && !(error instanceof MalformedOctets)) throw error;
          pair.b.peer.end(error instanceof DuowireError ? error : new DuowireError("protocol_error"));
        }
        await Promise.resolve();
        expect(pair.b.told.bugs).toEqual([]);
      }),
      { numRuns: 20_000, seed: 7 },
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", listener);
  }
});

test("a malformed message leaves nothing behind for another session", async () => {
  const [attacker, victim] = [setUp(), setUp()];
  const malformed = octets(`95 01 01 00 ${echo} 92 d51007 00 c1`);
  expect(() => attacker.b.peer.receive(malformed, 0)).toThrow(MalformedOctets);
  // A refused value: what came with it is given back, and only that.
  await answerOf(victim, `95 01 01 00 ${echo} 91 d42000`);
  expect(victim.b.peer.urgent(1_000)).toBeUndefined();
});
