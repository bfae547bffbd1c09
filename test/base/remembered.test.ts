import { expect, test } from "vitest";
import { remembered } from "../../src/base/remembered.js";

test("remembered makes a value once, and forgets the oldest of more than 256", () => {
  const map = new Map<string, number>();
  let made = 0;
  const ask = (key: number) => remembered(map, String(key), () => ++made);
  for (let key = 1; key <= 256; key++) expect([ask(key), ask(key)]).toEqual([key, key]);
  ask(257);
  expect([map.size, map.has("1"), map.has("2")]).toEqual([256, false, true]);
  expect(ask(1)).toBe(258);
});
