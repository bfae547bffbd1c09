/** What an editor shows for the types of the far side: as the compiler prints them, they can be read. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = realpathSync(mkdtempSync(join(tmpdir(), "duowire-hover-")));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = `
import { type Remote, Service, Target } from "${join(root, "src", "index.js")}";
export class Book extends Target {
  read(page: number): string { return String(page); }
}
export class Library extends Service {
  open(name: string): Book { return new Book(); }
  async find(words: readonly string[]): Promise<Book[]> { return []; }
  watch(onBook: (title: string) => void): () => void { return () => {}; }
}
declare const library: Remote<Library>;
export const open = library.open;
export const call = library.open("a");
export const book = await call;
export const read = book.read;
export const early = library.open("a").result.read(1);
export const books = await library.find([]);
export const stop = await library.watch(() => {});
`;

test("a hover names what it is about, and not how the types are made", () => {
  const file = join(folder, "library.ts");
  writeFileSync(file, source);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const options = ["--declaration", "--emitDeclarationOnly", "--outDir", folder, "--rootDir", "/", "--ignoreConfig"];
  const kind = ["--target", "esnext", "--module", "nodenext", "--strict", "--skipLibCheck"];
  const types = ["--types", "node", "--typeRoots", join(root, "node_modules", "@types")];
  execFileSync(join(root, "node_modules", ".bin", "tsc"), [...options, ...kind, ...types, file], { stdio: "pipe" });
  const printed = readFileSync(join(folder, folder, "library.d.ts"), "utf8").split("\n");
  const shown = (name: string) => {
    const line = printed.find((one) => one.includes(`const ${name}:`)) ?? "";
    return line.replace(/^.*?: /, "").replaceAll(/import\("[^"]*"\)\./g, "");
  };
  expect(shown("open")).toBe("(name: Passed<string>) => RemoteCall<Stub<Book>>;");
  expect(shown("call")).toBe("RemoteCall<Stub<Book>>;");
  expect(shown("book")).toBe("Stub<Book>;");
  expect(shown("read")).toBe("(page: Passed<number>) => RemoteCall<string>;");
  expect(shown("early")).toBe("RemoteCall<string>;");
  expect(shown("books")).toBe("Stub<Book>[];");
  expect(shown("stop")).toBe("Stub<() => void>;");
});
