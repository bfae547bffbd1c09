import { expect, test } from "vitest";
import { LABS_MAX, readRunWords } from "../../lab/nat/run-options.js";

test("readRunWords reads what is said and fills in the rest", () => {
  expect(readRunWords(["--only", "calm,cut", "--notes"])).toEqual({
    all: false,
    notes: true,
    peer: "duowire",
    labs: String(LABS_MAX),
    only: "calm,cut",
  });
});

test.each([
  [["--foo"], "--foo"],
  [["calm"], "calm"],
  [["--only"], "--only"],
  [["--all=yes"], "--all"],
])("readRunWords complains about %j on one line that names it", (words, name) => {
  const complaint = readRunWords(words);
  expect(complaint).toMatch(/^lab run: [^\n]+; see lab run --help$/);
  expect(complaint).toContain(name);
});
