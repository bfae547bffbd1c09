// `npm test`: everything that can be wrong, cheapest first. The last line is always "N passed, N failed, N skipped";
// the test runner's own reporter prints it, and this file does when a step before the tests fails or the runner dies.
import { spawnSync } from "node:child_process";

const steps = [
  ["npm", "run", "--silent", "check"],
  ["npm", "run", "--silent", "build"],
];

for (const [command = "", ...args] of steps) {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) {
    console.log(`"${[command, ...args].join(" ")}" failed, so the tests did not run`);
    console.log("0 passed, 1 failed, 0 skipped");
    process.exit(1);
  }
}

const { status, signal, error } = spawnSync("vitest", ["run", ...process.argv.slice(2)], { stdio: "inherit" });
if (status === null) {
  console.log(`the test runner did not end by itself: ${error?.message ?? signal}`);
  console.log("0 passed, 1 failed, 0 skipped");
}
process.exit(status ?? 1);
