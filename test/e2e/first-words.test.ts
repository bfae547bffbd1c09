import { expect, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Service } from "../../src/rpc/service.js";
import { serve } from "../../src/server/index.js";

interface DeskClient {
  confirm(question: string): Promise<boolean>;
}
class Desk extends Service<DeskClient> {
  async place(order: { symbol: string; total: number }) {
    if (order.total > 100 && !(await this.client.confirm(`${order.total}?`))) return "cancelled";
    return "placed";
  }
  watch(n: number, onPrice: (price: number) => void) {
    for (let i = 0; i < n; i++) onPrice(i);
    return "ok";
  }
  echo(x: Uint8Array) {
    return x;
  }
  fail() {
    throw new Error("boom");
  }
}
test("a service and a client call each other, with functions, octets and errors", async () => {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Desk });
  const session = connect<Desk>(server.address.href, { expose: { confirm: async (q) => q === "120?" } });
  expect(await session.remote.place({ symbol: "a", total: 1 })).toBe("placed");
  expect(await session.remote.place({ symbol: "a", total: 120 })).toBe("placed");
  expect(await session.remote.place({ symbol: "a", total: 121 })).toBe("cancelled");
  const got: number[] = [];
  await session.remote.watch(5, (p) => {
    got.push(p);
  });
  expect(got).toEqual([0, 1, 2, 3, 4]);
  const big = new Uint8Array(300_000).fill(7);
  expect((await session.remote.echo(big)).length).toBe(300_000);
  await expect(session.remote.fail()).rejects.toThrow("boom");
  const all = await Promise.all(
    Array.from({ length: 5000 }, (_, i) => session.remote.place({ symbol: "x", total: i % 100 })),
  );
  expect(all.length).toBe(5000);
  expect(server.sessions.size).toBe(1);

  await session.close();

  expect(server.sessions.size).toBe(0);

  await server.close();
}, 10000);
