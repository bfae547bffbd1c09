import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { Program } from "./program.js";
import { environment } from "./reader.js";

test("Program compares what a person reads, whatever colours are printed", async () => {
  const program = new Program(
    "printf '\\033[1m\\033[32mready\\033[39m on \\033[36m9000\\033[0m\\n'",
    tmpdir(),
    environment(),
  );
  await program.expectOutput("ready on 9000\n", "here");
  await program.expectGoodEnd("here");
  program.expectNoMore("here");
});

test("environment asks programs for no colours, even where CI forces them", () => {
  expect(environment()).toMatchObject({ NO_COLOR: "1" });
  expect(environment()).not.toHaveProperty("FORCE_COLOR");
});
