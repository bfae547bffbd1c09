/** The reader of the guides is a test of the guides: here it is shown guides that are wrong. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Block, BlockKind } from "./guide.js";
import { Reader } from "./reader.js";

async function follow(...blocks: [kind: BlockKind, name: string, text: string][]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "duowire-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  const reader = await Reader.start(folder);
  onTestFinished(() => reader.stop());
  const rest = { language: "sh", place: "here", section: "" };
  await reader.follow(blocks.map(([kind, name, text]): Block => ({ kind, name, text, ...rest })));
}

test("Reader accepts a guide that is right", () =>
  follow(
    ["file", "a.txt", "one\n"],
    ["append", "a.txt", "two\n"],
    ["run", "", "cat a.txt\n"],
    ["output", "", "one\n…\n"],
  ));

test("Reader refuses another output, more output, and less", async () => {
  const print = (text: string): ["run", "", string] => ["run", "", `printf '${text}'\n`];
  await expect(follow(print("three\\n"), ["output", "", "one\n"])).rejects.toThrow("three");
  await expect(follow(print("one\\ntwo\\n"), ["output", "", "one\n"])).rejects.toThrow("also printed\ntwo");
  await expect(follow(print("one\\n"), ["output", "", "one\ntwo\n"])).rejects.toThrow("expected");
});

test("Reader refuses a command that fails, and one in the middle of others", async () => {
  await expect(follow(["run", "", "false\ntrue\n"])).rejects.toThrow("ended with 1");
});

test("Reader refuses what the compiler refuses", async () => {
  await expect(follow(["file", "a.ts", "export const one: string = 1;\n"])).rejects.toThrow("TS2322");
});

test("Reader ends what it started, and starts it anew under the same name", async () => {
  await follow(
    ["run", "server", "echo 1; sleep 100\n"],
    ["output", "server", "1\n"],
    ["run", "server", "echo 2; sleep 100\n"],
    ["output", "server", "2\n"],
  );
});

test("Reader gives the same free port to the same printed one", async () => {
  await follow(["run", "", "[ 9000 != 8080 ] && echo 9000 10_000 39000\n"], ["output", "", "9000 10_000 39000\n"]);
});
