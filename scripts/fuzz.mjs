// `npm run fuzz -- --seeds 1000000`: every fuzz with so many seeds, one after the other. What fails is told as the
// command that runs its seed again.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "1000000" } } });
const files = ["test/rpc/fuzz.test.ts", "test/rpc/values.test.ts", "test/frame/fuzz.test.ts"];
const args = ["vitest", "run", ...files, "-t", "survives every seed", "--no-file-parallelism"];
const env = { ...process.env, FUZZ_SEEDS: values.seeds };
process.exitCode = spawnSync("npx", args, { env, stdio: "inherit" }).status ?? 1;
