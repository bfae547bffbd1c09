import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("a page that a vite build makes of duowire/client has nothing of Node in it", async (context) => {
  if (!existsSync(join(root, "dist", "client", "index.js"))) context.skip("not built: npm run build");
  const vite = await import("vite").catch(() => undefined);
  if (vite === undefined) return context.skip("vite is not installed");
  const folder = mkdtempSync(join(tmpdir(), "duowire-vite-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "duowire"));
  writeFileSync(join(folder, "index.html"), '<script type="module" src="/main.js"></script>');
  writeFileSync(
    join(folder, "main.js"),
    'import { connect } from "duowire/client"; window.session = connect(location.href);',
  );
  const built = await vite.build({ root: folder, logLevel: "silent", build: { write: false } });
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((one) => ("output" in one ? one.output : []));
  const chunks = outputs.filter((one) => one.type === "chunk");
  const modules = chunks.flatMap((chunk) => chunk.moduleIds);
  expect(modules.some((id) => id.endsWith("dist/client/index.js"))).toBe(true);
  expect(modules.some((id) => id.endsWith("websocket-platform.js"))).toBe(true);
  expect(
    modules.filter((id) => id.includes("/ws/") || id.includes("websocket-node") || id.includes("browser-external")),
  ).toEqual([]);
  expect(chunks.flatMap((chunk) => chunk.imports)).toEqual([]);
});
