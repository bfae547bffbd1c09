/** The faults under which numbered calls are judged, as data: the folder `scenarios/`, put together. */
import type { Scenario } from "./scenario.js";
import { learned } from "./scenarios/learned.js";
import { lines } from "./scenarios/lines.js";
import { machines } from "./scenarios/machines.js";
import { middleboxes } from "./scenarios/middleboxes.js";
import { silent } from "./scenarios/silent.js";

/** The same with three clients, on two sites. */
const three: readonly Scenario[] = [
  "calm",
  "reset-ten",
  "nat-forget",
  "ip-change",
  "cut-5s",
  "freeze-server",
  "line-loss",
].map((name) => {
  const one = [...learned, ...silent, ...lines, ...machines].find((scenario) => scenario.name === name);
  if (!one) throw new Error(`no scenario is named ${name}`);
  const { quick: _, ...rest } = one;
  return { ...rest, name: `${name}-three`, clients: 3, what: `${one.what}; three clients` };
});

/** Every scenario. */
export const scenarios: readonly Scenario[] = [...learned, ...silent, ...lines, ...machines, ...middleboxes, ...three];
