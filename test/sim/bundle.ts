/** Makes one file of the simulator and the core, so that threads start in no time; and a mutant's, which is patched. */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A change of one source file: `find` must occur in it exactly once. */
export interface Patch {
  /** The file, from the repository's root on. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Bundles the thread's code into `file`, with a patch if there is one. Rejects when that does not fit any more. */
export async function bundleThread(file: string, patch?: Patch): Promise<void> {
  let isPatched = patch === undefined;
  const bundle = await rolldown({
    input: join(root, "test/sim/thread.ts"),
    platform: "node",
    logLevel: "silent",
    external: [/^node:/],
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    plugins: [
      {
        name: "mutant",
        transform(code: string, id: string) {
          if (patch === undefined || relative(root, id) !== patch.file) return null;
          const places = code.split(patch.find).length - 1;
          if (places !== 1)
            throw new Error(`${patch.file} has ${places} places with ${JSON.stringify(patch.find)}, not 1`);
          isPatched = true;
          return code.replace(patch.find, () => patch.replace);
        },
      },
    ],
  });
  try {
    await bundle.write({ file, format: "esm" });
  } finally {
    await bundle.close();
  }
  if (!isPatched) throw new Error(`${patch?.file} is not a part of the simulator`);
}
