/** The README and the guides, followed to the letter: see reader.ts and docs/README.md. */
import { onTestFinished, type TestContext, test } from "vitest";
import { emptyGround, frameworkGround, isOutOfReach, toolGround, whyNot } from "./ground.js";
import { type Block, readGuide, sectionsOf } from "./guide.js";
import { Reader } from "./reader.js";

const NO_REGISTRY = "npm cannot reach its registry";
const options = { timeout: 120_000 };

function skipUnlessBuilt(context: TestContext): void {
  const reason = whyNot();
  if (reason !== undefined) context.skip(reason);
}

/** Follows a guide from an empty folder, its npm commands included. */
async function followFromNothing(context: TestContext, blocks: readonly Block[]): Promise<void> {
  skipUnlessBuilt(context);
  const reader = await Reader.start(await emptyGround());
  onTestFinished(() => reader.stop());
  await reader.follow(blocks).catch((error: Error) => {
    if (isOutOfReach(error.message)) context.skip(NO_REGISTRY);
    throw error;
  });
}

/** Follows a guide in a folder that has what it needs. */
async function follow(context: TestContext, blocks: readonly Block[]): Promise<void> {
  skipUnlessBuilt(context);
  const reader = await Reader.start(await toolGround());
  onTestFinished(() => reader.stop());
  await reader.follow(blocks);
}

test("README.md, followed from an empty folder, works as printed", options, (context) =>
  followFromNothing(context, readGuide("README.md")));

test("first-service.md, followed from an empty folder, works as printed", options, (context) =>
  followFromNothing(context, readGuide("docs/guides/first-service.md")));

test.for(["callbacks-and-pushing", "errors-and-outcomes"])("%s.md works as printed", options, (name, context) =>
  follow(context, readGuide(`docs/guides/${name}.md`)),
);
