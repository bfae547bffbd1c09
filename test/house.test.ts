import { expect, test } from "vitest";
import { closingLine } from "./support/summary-reporter.js";

test("closingLine names the three counts and nothing else", () => {
  expect(closingLine({ passed: 3, failed: 0, skipped: 2 })).toBe("3 passed, 0 failed, 2 skipped");
});
