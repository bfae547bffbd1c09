import { beforeAll, describe, expect, test } from "vitest";
import { figuresExpected, playFigures } from "../../lab/nat/figures.js";
import type { Row } from "../../lab/nat/judge/report.js";
import { whyNoLab } from "../../lab/nat/lab.js";
import { judgeAll, quickSuite } from "../../lab/nat/suite.js";

// The source's figures as network namespaces; see lab/nat/README.md. `npm run lab:nat` prints the table.

const reason = whyNoLab();
const SUITE_MS_MAX = 240_000;
/** Other tests run beside these, so times are held less strictly than by `npm run lab:nat`; counts are not. */
const TIME_FACTOR = 3;

test("the figures' example gives WAO1, WAO2 and WAO3 through two NATs and one port", {
  timeout: 60_000,
}, async (context) => {
  if (reason) return context.skip(reason);
  expect(await playFigures()).toEqual(figuresExpected);
});

describe("numbered calls", () => {
  let rows: readonly Row[] = [];

  beforeAll(async () => {
    if (!reason) rows = await judgeAll({ ...quickSuite, timeFactor: TIME_FACTOR });
  }, SUITE_MS_MAX);

  test.for(quickSuite.chosen)("$name: $what", ({ name }, context) => {
    const row = rows.find(({ scenario }) => scenario === name);
    if (reason || row?.result === "skipped" || row?.result === "not yet") context.skip(reason ?? row?.reason);
    expect(row?.result, row?.reason).toMatch(/^passed/);
  });
});
