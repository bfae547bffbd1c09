/** Schemas that fit their methods compile, and no others do. The compiler is the judge (`npm run check`). */
import { type } from "arktype";
import * as v from "valibot";
import { expect, test } from "vitest";
import * as z from "zod";
import { Service, Target, withSchemas } from "../../src/index.js";

const Order = z.object({ symbol: z.string(), total: z.number().positive(), tags: z.array(z.string()).default([]) });
type Order = z.input<typeof Order>;
const Receipt = v.object({ id: v.string() });
const Name = type("string");
const text = z.string();

class Desk extends Service {
  static {
    withSchemas(Desk, {
      place: { args: [Order], result: Receipt },
      open: { args: [Name, null] },
      find: { args: [text, z.number().optional()] },
      sum: { args: z.array(z.number()), result: z.number() },
      later: { result: text },
    });
  }

  place(order: Order): { id: string } {
    return { id: order.symbol };
  }
  async open(name: string, onClose: () => void): Promise<void> {
    if (name) onClose();
  }
  find(word: string, limit?: number): string[] {
    return [word].slice(limit);
  }
  sum(...numbers: number[]): number {
    return numbers.length;
  }
  async later(): Promise<string> {
    return "";
  }
}

/** For the compiler only: none of it runs. */
function misuse(): void {
  class Wrong extends Target {
    take(total: number, _unit = "EUR"): number {
      return total;
    }
    give(): Promise<string> {
      return Promise.resolve("");
    }
  }
  withSchemas(Wrong, { take: { args: [z.number(), text.optional()] }, give: { result: text } });
  // @ts-expect-error there is no such method
  withSchemas(Wrong, { tale: { args: [z.number(), text.optional()] } });
  // @ts-expect-error neither "arg" nor anything else but args and result
  withSchemas(Wrong, { take: { arg: [z.number()] } });
  // @ts-expect-error zod: the method takes a number, not a text
  withSchemas(Wrong, { take: { args: [text, text.optional()] } });
  // @ts-expect-error valibot: likewise
  withSchemas(Wrong, { take: { args: [v.string(), v.optional(v.string())] } });
  // @ts-expect-error arktype: likewise
  withSchemas(Wrong, { take: { args: [type("string"), type("string|undefined")] } });
  // @ts-expect-error a schema for each argument, also for those that may be left out
  withSchemas(Wrong, { take: { args: [z.number()] } });
  // @ts-expect-error one too many
  withSchemas(Wrong, { take: { args: [z.number(), text.optional(), text] } });
  // @ts-expect-error the caller may leave out the unit, and the schema does not let it
  withSchemas(Wrong, { take: { args: [z.number(), text] } });
  // @ts-expect-error the caller sends a number, as the method says, and the schema takes texts
  withSchemas(Wrong, { take: { args: [text.transform(Number), null] } });
  // @ts-expect-error the schema takes numbers and gives texts
  withSchemas(Wrong, { take: { args: [z.number().transform(String), null] } });
  // @ts-expect-error the result is a text
  withSchemas(Wrong, { give: { result: z.number() } });
  // @ts-expect-error no schema
  withSchemas(Wrong, { give: { result: "string" } });
  // @ts-expect-error any number of arguments: one schema of the whole array is needed
  withSchemas((...all: number[]) => all.length, { args: [z.number()] });

  const expose = withSchemas({ confirm: async (question: string) => question !== "" }, { confirm: { args: [text] } });
  expose.confirm("") satisfies Promise<boolean>;
  // @ts-expect-error it is a question
  withSchemas({ confirm: (question: string) => question }, { confirm: { args: [z.boolean()] } });
  withSchemas((price: number) => price, { args: [z.number()], result: z.number() })(5) satisfies number;
  // @ts-expect-error it is a price
  withSchemas((price: number) => price, { args: [text] });
}

test("withSchemas compiles for schemas of zod, valibot and arktype that fit, and for no others", () => {
  expect([Desk, misuse]).toHaveLength(2);
});
