/** What travels beside arguments and results, through the public entries: metadata, interceptors, stacks. */
import { expect, test } from "vitest";
import * as z from "zod";
import {
  callContext,
  type DuowireError,
  type Interceptor,
  RemoteError,
  Service,
  type ServiceSession,
  withSchemas,
} from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { testPair } from "../../src/testing/index.js";

interface Client {
  whoAsks(): unknown;
}

class Shop extends Service<{ confirm(question: string): Promise<boolean> }> {
  static {
    withSchemas(Shop, { pay: { args: [z.object({ total: z.number().positive(), unit: z.string().default("EUR") })] } });
  }

  async pay(order: { total: number; unit?: string | undefined }) {
    const isSure = await this.client.confirm(`${order.total} ${order.unit}?`);
    const answer = await this.client.confirm(5 as unknown as string).catch((error: DuowireError) => error.code);
    return [isSure, answer];
  }
}

class Desk extends Service<Client> {
  metadata() {
    return callContext().metadata;
  }

  where() {
    const { session, principal } = callContext();
    return [session === this.session, principal];
  }

  ask() {
    return this.client.whoAsks();
  }

  fail() {
    throw new RangeError("on purpose");
  }
}

test("withSchemas checks the calls of both sides", async () => {
  const asked: string[] = [];
  const confirm = async (question: string) => asked.push(question) > 0;
  const expose = withSchemas({ confirm }, { confirm: { args: [z.string()] } });
  await using pair = testPair(Shop, { expose });
  expect(await pair.session.remote.pay({ total: 5 })).toStrictEqual([true, "invalid_argument"]);
  expect(asked).toStrictEqual(["5 EUR?"]);
  const error = await pair.session.remote.pay({ total: -5 }).catch((reason: DuowireError) => reason);
  expect(error).toMatchObject({ code: "invalid_argument", data: { issues: [{ path: [0, "total"] }] } });
});

test("session.with sends metadata, and the service's callContext has them with its session", async () => {
  await using pair = testPair(Desk);
  const { session } = pair;
  const metadata = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
  expect(await session.with({ metadata }).remote.metadata()).toStrictEqual(metadata);
  expect(await session.remote.where()).toStrictEqual([true, undefined]);
});

test("interceptors of client and server run around the calls of both", async () => {
  const seen: string[] = [];
  const note = (side: string): Interceptor => {
    return ({ direction, method, metadata }, next) => {
      if (direction === "outgoing") metadata.from = side;
      seen.push(`${side} ${direction} ${method} ${metadata.from}`);
      return next();
    };
  };
  const server: Interceptor<ServiceSession> = ({ session }, next) => {
    seen.push(session.id);
    return next();
  };
  const expose = { whoAsks: () => callContext().metadata.from };
  const serverInterceptors = [note("server"), server];
  await using pair = testPair(Desk, { expose, interceptors: [note("client")], serverInterceptors });
  expect(await pair.session.remote.ask()).toBe("server");
  expect(seen).toStrictEqual([
    ...["client outgoing ask client", "server incoming ask client", "WAO1"],
    ...["server outgoing whoAsks server", "WAO1", "client incoming whoAsks server"],
  ]);
});

test("serve refuses interceptors for a service that runs elsewhere", async () => {
  const elsewhere = { generate: () => Promise.reject(new Error("never")) };
  const options = { address: "http://127.0.0.1:0/WAO", interceptors: [] };
  await expect(serve({ ...options, service: elsewhere })).rejects.toMatchObject({ code: "invalid_argument" });
  await using server = await serve({ ...options, service: Desk });
  expect(server.address.port).not.toBe(0);
});

test("errorStacks tells clients where a service threw; without it they learn nothing of it", async () => {
  for (const errorStacks of [false, true]) {
    await using pair = testPair(Desk, { errorStacks });
    const error = await pair.session.remote.fail().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RemoteError);
    expect((error as Error).stack?.includes("around-calls.test.ts")).toBe(errorStacks);
  }
});
