/** The lab's command line; see README.md of this folder. */
import { applyFault, faults } from "./faults.js";
import { Holder } from "./holder.js";
import { Lab, whyNoLab } from "./lab.js";
import { readParameters } from "./parameters.js";
import { type NodeName, nodes } from "./topology.js";

const USAGE = `usage: lab up | down | status | run [--all] [--only NAME,…] [--peer NAME] [--json FILE] | figures
       lab exec NODE COMMAND…   (nodes: ${nodes.join(", ")})
       lab fault NAME [KEY=VALUE …]

faults:
${Object.entries(faults)
  .map(([name, { help }]) => `  ${name.padEnd(16)} ${help}`)
  .join("\n")}`;

const NAME = process.env.DUOWIRE_LAB ?? "main";

async function main([command, ...words]: readonly string[]): Promise<number> {
  if (command === "down") {
    for (const name of Holder.names()) Holder.end(name);
    return 0;
  }
  const reason = whyNoLab();
  if (reason) {
    console.log(`skipped: ${reason}`);
    return 0;
  }
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
    case "run":
      return await (await import("./suite.js")).runSuite(words);
    case "figures":
      return await (await import("./figures.js")).printFigures();
    default:
      console.log(USAGE);
      return 2;
  }
}

function execute([node, ...command]: readonly string[]): Promise<number> {
  const child = Lab.find(NAME).spawn(node as NodeName, command, "inherit");
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

process.exitCode = await main(process.argv.slice(2));
