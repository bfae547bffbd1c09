import { defineConfig } from "vitest/config";
import { SummaryReporter } from "./test/support/summary-reporter.js";

// Source files import each other through the "duowire-source" condition, so that "#websocket" is a file of src/ and not of dist/.
const conditions = ["duowire-source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // The summary comes last, and its last line is the last line of the run.
    reporters: ["default", new SummaryReporter()],
  },
});
