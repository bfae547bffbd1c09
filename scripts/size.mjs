// How large is the client in a browser? Run it after a build: `npm run size`.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

/**
 * What the browser client may weigh, minified and gzipped: what it weighs, and a little room. It guards against growth.
 *
 * The design asked for 12 KiB. See ARCHITECTURE.md, "Where the code left the design", for where it goes, and why.
 */
export const CLIENT_OCTETS_MAX = 49_300;

/** The built entry that a browser bundler gets for "duowire/client". */
export const CLIENT_ENTRY = fileURLToPath(new URL("../dist/client/index.js", import.meta.url));

/**
 * Bundles an entry as a browser's bundler would and weighs it.
 *
 * @param {string} [entry] The built module; the client unless told otherwise.
 * @returns {Promise<{ minified: number, gzipped: number, packages: string[], unresolved: string[] }>} Octets minified,
 *   octets gzipped, npm packages inside the bundle, and imports that it leaves to the browser (Node's are errors there).
 */
export async function clientBundleSize(entry = CLIENT_ENTRY) {
  const bundle = await rolldown({
    input: entry,
    platform: "browser",
    resolve: { conditionNames: ["browser", "import", "default"] },
    logLevel: "silent",
  });
  try {
    const { output } = await bundle.generate({ format: "esm", minify: true });
    const chunks = output.filter((part) => part.type === "chunk");
    const code = chunks.map((chunk) => chunk.code).join("");
    const names = new Set(chunks.map((chunk) => chunk.fileName));
    const modules = chunks.flatMap((chunk) => chunk.moduleIds).map((id) => id.replaceAll("\\", "/"));
    const packages = modules.flatMap((id) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1] ?? []);
    const imports = chunks.flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports]);
    return {
      minified: Buffer.byteLength(code),
      gzipped: gzipSync(code, { level: 9 }).length,
      packages: [...new Set(packages)].sort(),
      unresolved: [...new Set(imports.filter((name) => !names.has(name)))].sort(),
    };
  } finally {
    await bundle.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const size = await clientBundleSize();
  console.log(
    `browser client: ${size.minified} octets minified, ${size.gzipped} gzipped (at most ${CLIENT_OCTETS_MAX})`,
  );
  if (size.packages.length > 0) console.log(`packages inside: ${size.packages.join(", ")}`);
  if (size.unresolved.length > 0) console.log(`not for a browser: ${size.unresolved.join(", ")}`);
}
