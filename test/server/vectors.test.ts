import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type ErrorCode, type ErrorRow, errorTable } from "../../src/base/errors.js";
import { errorMeanings } from "../../src/base/meanings.js";
import { access, send, startServer } from "./support.js";

const read = (path: string) => readFileSync(new URL(`../../spec/${path}`, import.meta.url), "utf8");
const { refusals, notification } = JSON.parse(read("vectors/access.json"));

test("notification is as in the vectors", async () => {
  const { url } = await startServer({ ids: "sequential" });
  const { answer } = await access(url, JSON.stringify(notification.body));
  expect(answer.status).toBe(notification.status);
  expect(answer.headers).toMatchObject(notification.headers);
  expect(Object.keys(answer.json)).toEqual(notification.keys);
});

test.each<{ code: string; status: number; body: unknown }>(refusals)("refusal $code for $body", async (vector) => {
  const { url } = await startServer();
  const answer = await send("POST", url, { body: JSON.stringify(vector.body) });
  expect([answer.status, answer.json.code]).toEqual([vector.status, vector.code]);
  expect(Object.keys(answer.json).slice(0, 2)).toEqual(["code", "message"]);
});

test("the table of codes in spec/access.md is current", () => {
  const rows: string[] = ["| status | code | meaning | the client's next step |", "| --- | --- | --- | --- |"];
  for (const [code, [next, status]] of Object.entries<ErrorRow>(errorTable)) {
    const meaning = errorMeanings[code as ErrorCode];
    if (status !== undefined) rows.push(`| ${status} | \`${code}\` | ${meaning} | \`${next}\` |`);
  }
  const table = /<!-- codes -->\n\n([\s\S]*?)\n\n<!-- \/codes -->/.exec(read("access.md"))?.[1];
  expect(table).toBe(rows.join("\n"));
});
