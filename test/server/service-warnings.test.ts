import { expect, onTestFinished, test, vi } from "vitest";
import { ServiceWarnings } from "../../src/server/service-warnings.js";
import { ManualClock } from "./manual-clock.js";

test("ServiceWarnings.warn says what was thrown, whatever that is", async () => {
  const emit = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  onTestFinished(() => emit.mockRestore());
  const clock = new ManualClock();
  const warnings = new ServiceWarnings(clock);
  const unreadable = Object.defineProperty(new Error("m"), "stack", {
    get: () => {
      throw new Error("no stack");
    },
  });
  const thrown = [new Error("boom"), "text", undefined, Symbol("s"), Object.create(null), unreadable];
  thrown.push(Object.defineProperty(new Error("m"), "stack", { value: { split: 1 } }));
  for (const [n, error] of thrown.entries()) {
    warnings.warn("Desk", `method${n}`, error);
    await clock.advance(1_000);
  }
  const texts = emit.mock.calls.map(
    ([text]) =>
      String(text)
        .replace(/^.*service_error: /, "")
        .split("\n")[0],
  );
  expect(texts).toEqual([
    "Error: boom",
    "text",
    "undefined",
    "Symbol(s)",
    "something without a text was thrown",
    "something without a text was thrown",
    "[object Object]",
  ]);
});
