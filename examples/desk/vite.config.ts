import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("page"),
  base: "./",
  build: { outDir: here("dist/page"), emptyOutDir: true, target: "es2022", modulePreload: { polyfill: false } },
});
