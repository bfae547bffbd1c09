/** Files of real rows that are at hand, from the package "vega-datasets" (its datapackage.json names their sources). */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** Where the samples are, and which. The first one is for whoever does not choose. */
export const samples = {
  folder: join(packageFolder("vega-datasets"), "data"),
  files: [
    // 42,049 US postal codes of GeoNames (CC BY 4.0).
    { file: "zipcodes.csv" },
    // 10,000 reports of the US Federal Aviation Administration (a work of the US government).
    { file: "birdstrikes.csv" },
  ],
} as const;

/** The path of a sample's file. */
export function samplePath(file: string): string {
  return join(samples.folder, file);
}

/** A package that exports no package.json is found by the file that it does export. */
function packageFolder(name: string): string {
  const entry = require.resolve(name);
  const end = entry.lastIndexOf(join("node_modules", name)) + join("node_modules", name).length;
  return end > name.length ? entry.slice(0, end) : dirname(fileURLToPath(import.meta.url));
}
