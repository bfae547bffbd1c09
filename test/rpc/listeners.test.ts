import { expect, test } from "vitest";
import { guardListeners } from "../../src/rpc/listeners.js";
import { turn } from "./support.js";

test("guardListeners tells what listeners throw and reject with, and changes nothing else of them", async () => {
  const failures: unknown[] = [];
  const target = guardListeners(new EventTarget(), ({ type }, error) =>
    failures.push([type, (error as Error).message]),
  );
  const heard: unknown[] = [];
  const removed = () => heard.push("removed");
  const once = function (this: EventTarget) {
    heard.push(this === target);
  };
  target.addEventListener("it", () => {
    throw new Error("thrown");
  });
  target.addEventListener("it", async () => {
    throw new Error("rejected");
  });
  target.addEventListener("it", { handleEvent: () => Promise.reject(new Error("of an object")) });
  target.addEventListener("it", removed);
  target.removeEventListener("it", removed);
  target.addEventListener("it", null);
  for (const _ of "12") target.addEventListener("it", once, { once: true });
  for (const _ of "12") target.dispatchEvent(new Event("it"));
  await turn();
  expect(heard).toEqual([true]);
  const each = ["thrown", "rejected", "of an object"];
  expect(failures.map((one) => (one as string[])[1]).sort()).toEqual([...each, ...each].sort());
});
