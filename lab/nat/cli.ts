/** The lab's command line; see README.md of this folder. */
import { applyFault, faults } from "./faults.js";
import { Holder } from "./holder.js";
import { Lab, whyNoLab } from "./lab.js";
import { readParameters } from "./parameters.js";
import { RUN_USAGE, readRunWords } from "./run-options.js";
import { type NodeName, nodes } from "./topology.js";

const USAGE = `usage: lab up | down | status | run [OPTION …] | figures
       lab run --help
       lab exec NODE COMMAND…   (nodes: ${nodes.join(", ")})
       lab fault NAME [KEY=VALUE …]

faults:
${Object.entries(faults)
  .map(([name, { help }]) => `  ${name.padEnd(16)} ${help}`)
  .join("\n")}`;

const NAME = process.env.DUOWIRE_LAB ?? "main";

async function main([command, ...words]: readonly string[]): Promise<number> {
  // What follows `exec NODE` belongs to the command that runs there.
  if (command === "--help" || (command !== "exec" && words.includes("--help"))) {
    console.log(command === "run" ? RUN_USAGE : USAGE);
    return 0;
  }
  if (command === "run") return await run(words);
  if (command === "down") {
    for (const name of Holder.names()) Holder.end(name);
    return 0;
  }
  if (skipped()) return 0;
  switch (command) {
    case "up":
      await Lab.up(NAME, { tied: false });
      return 0;
    case "status":
      console.log(Holder.names().join("\n") || "no lab is up");
      return 0;
    case "exec":
      return await execute(words);
    case "fault": {
      const [name = "", ...parameters] = words;
      await applyFault(Lab.find(NAME), name, readParameters(parameters));
      return 0;
    }
    case "figures":
      return await (await import("./figures.js")).printFigures();
    default:
      console.log(USAGE);
      return 2;
  }
}

/** Complains about the words before it asks whether a lab is possible here. */
async function run(words: readonly string[]): Promise<number> {
  const values = readRunWords(words);
  if (typeof values === "string") {
    console.error(values);
    return 2;
  }
  return skipped() ? 0 : await (await import("./suite.js")).runSuite(values);
}

/** Says why when no lab is possible here. */
function skipped(): boolean {
  const reason = whyNoLab();
  if (reason) console.log(`skipped: ${reason}`);
  return reason !== undefined;
}

function execute([node, ...command]: readonly string[]): Promise<number> {
  const child = Lab.find(NAME).spawn(node as NodeName, command, "inherit");
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

process.exitCode = await main(process.argv.slice(2));
