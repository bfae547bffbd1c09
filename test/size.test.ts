import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { CLIENT_ENTRY, CLIENT_OCTETS_MAX, clientBundleSize } from "../scripts/size.mjs";

test("browser client stays small and free of Node", async (context) => {
  if (!existsSync(CLIENT_ENTRY)) context.skip("the client is not built: npm run build");
  const size = await clientBundleSize();
  expect(size.packages).not.toContain("ws");
  expect(size.unresolved).toEqual([]);
  expect(size.gzipped).toBeLessThanOrEqual(CLIENT_OCTETS_MAX);
});

test("clientBundleSize sees a package of Node that slipped in", async () => {
  const size = await clientBundleSize(fileURLToPath(new URL("./support/imports-ws.mjs", import.meta.url)));
  expect(size.packages).toContain("ws");
  expect(size.unresolved).toContain("node:fs");
});
