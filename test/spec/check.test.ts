import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { serve } from "../../src/server/index.js";
import { CheckDesk } from "./check-desk.js";

// The client in spec/check was written from the specification, in another language, and shares no code with src/.

const program = fileURLToPath(new URL("../../spec/check/check.py", import.meta.url));
const PYTHON_MS_MAX = 15_000;

const isPythonHere =
  spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"], { timeout: PYTHON_MS_MAX }).status ===
  0;

/** Runs the check to its end and gives its exit code and what it printed, on both channels. */
function check(context: TestContext, ...args: string[]): Promise<{ code: number; said: string }> {
  if (!isPythonHere) context.skip("python3 is not here");
  return new Promise((resolve) => {
    const options = { timeout: PYTHON_MS_MAX, killSignal: "SIGKILL" } as const;
    execFile("python3", ["-B", program, ...args], options, (error, out, errors) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, said: out + errors });
    });
  });
}

/** The fixed address of a server with the service that the check wants. */
async function startServer(): Promise<string> {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: CheckDesk, onError: () => {} });
  onTestFinished(() => server.close());
  return server.address.href;
}

test("spec/check agrees with all vectors", async (context) => {
  const { code, said } = await check(context, "vectors");
  expect(said).toContain("all vectors agree");
  expect(code, said).toBe(0);
});

test("spec/check talks to a server from the first access to the end", async (context) => {
  const { code, said } = await check(context, "talk", await startServer());
  expect(said).not.toContain("FAIL");
  expect(code, said).toBe(0);
  expect(said.match(/^ok /gm)?.length).toBeGreaterThan(15);
});

test("spec/check says so when a server is not there", async (context) => {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: CheckDesk });
  const { href } = server.address;
  await server.close();
  const { code, said } = await check(context, "talk", href);
  expect(said).toContain("FAIL");
  expect(code).toBe(1);
});

test("spec/check says how it is called", async (context) => {
  for (const args of [[], ["talk"], ["talk", "ftp://h/WAO"]]) {
    expect((await check(context, ...args)).code).toBe(2);
  }
});
