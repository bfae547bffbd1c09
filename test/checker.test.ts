import { describe, expect, test } from "vitest";
import { SourceFile, type Violation } from "./support/source-file.js";
import { checkCycles, checkImports, countTypeCycles } from "./support/tidy-imports.js";
import { checkWorkplace } from "./support/tidy-repository.js";
import { checkDocs, checkLanguage, checkPurity, checkSizes } from "./support/tidy-source.js";

// A rule that cannot fail protects nothing: each one is shown a good and a bad example here.

const source = (path: string, text: string) => new SourceFile(path, text);
const lines = (violations: readonly Violation[]) => violations.map((one) => `${one.line} ${one.rule}`);
const packages = new Set(["ws"]);

describe("checkImports", () => {
  const check = (path: string, text: string) => checkImports([source(path, text)], packages);

  test.each([
    ["src/session/a.ts", 'import { x } from "../frame/x.js";'],
    ["src/session/a.ts", 'import { x } from "../base/x.js";'],
    ["src/session/a.ts", 'import { x } from "./b.js";'],
    ["src/client/a.ts", 'import type { X } from "../session/x.js";'],
    ["src/link/a.ts", 'import { WebSocket } from "#websocket";'],
    ["src/link/a.ts", 'import { WebSocket } from "ws";'],
    ["src/host/a.ts", 'import { fork } from "node:child_process";'],
    ["src/index.ts", 'export { Service } from "./rpc/service.js";'],
  ])("allows %s: %s", (path, text) => {
    expect(check(path, text)).toEqual([]);
  });

  test.each([
    ["src/session/a.ts", 'import { x } from "../rpc/x.js";'],
    ["src/rpc/a.ts", 'import type { X } from "../session/x.js";'],
    ["src/rpc/a.ts", 'type X = import("../frame/x.js").X;'],
    ["src/frame/a.ts", 'export * from "../access/x.js";'],
    ["src/base/a.ts", 'const x = await import("../frame/x.js");'],
    ["src/client/a.ts", 'import { x } from "../session/x.js";'],
    ["src/client/a.ts", 'import { type X } from "../session/x.js";'],
    ["src/client/a.ts", 'import { WebSocket } from "#websocket";'],
    ["src/client/a.ts", 'import { x } from "../server/x.js";'],
    ["src/link/a.ts", 'import { x } from "left-pad";'],
    ["src/link/a.ts", 'import { x } from "@scope/pad/sub";'],
    ["src/link/a.ts", 'import { x } from "../../test/x.js";'],
    ["src/index.ts", 'export { connect } from "./client/connect.js";'],
    ["src/misc/a.ts", "export {};"],
  ])("refuses %s: %s", (path, text) => {
    expect(lines(check(path, text))).toEqual(["1 imports"]);
  });
});

describe("checkCycles", () => {
  const a = source("src/base/a.ts", 'import { b } from "./b.js";');

  test("finds a cycle through several files", () => {
    const b = source("src/base/b.ts", 'import { c } from "./c.js";');
    const c = source("src/base/c.ts", 'export { a } from "./a.js";');
    const found = checkCycles([a, b, c, source("src/base/d.ts", 'import { a } from "./a.js";')]);
    expect(found.map((one) => one.advice)).toEqual([
      expect.stringContaining("a.ts <-> src/base/b.ts <-> src/base/c.ts"),
    ]);
  });

  test("counts a cycle of types apart", () => {
    const b = source("src/base/b.ts", 'import type { A } from "./a.js";');
    expect(checkCycles([a, b])).toEqual([]);
    expect(countTypeCycles([a, b])).toBe(1);
  });

  test("takes an inline type import for what it is after compilation: an import", () => {
    expect(checkCycles([a, source("src/base/b.ts", 'import { type A } from "./a.js";')])).toHaveLength(1);
  });

  test("leaves a lazy import alone", () => {
    expect(checkCycles([a, source("src/base/b.ts", 'const a = () => import("./a.js");')])).toEqual([]);
  });
});

describe("checkSizes", () => {
  const body = (count: number) => "  x;\n".repeat(count);

  test("allows a function of 70 lines and refuses 71", () => {
    expect(checkSizes(source("src/base/a.ts", `function f() {\n${body(68)}}\n`))).toEqual([]);
    expect(lines(checkSizes(source("src/base/a.ts", `\nfunction f() {\n${body(69)}}\n`)))).toEqual([
      "2 function-length",
    ]);
    const method = source("src/base/a.ts", `class A {\n  get f() {\n${body(69)}}\n}\n`);
    expect(lines(checkSizes(method))).toEqual(["2 function-length"]);
  });

  test("allows a file of 400 lines and refuses 401", () => {
    expect(checkSizes(source("src/base/a.ts", body(400)))).toEqual([]);
    expect(lines(checkSizes(source("src/base/a.ts", body(401))))).toEqual(["401 file-length"]);
  });

  test("allows 120 columns and refuses 121", () => {
    expect(checkSizes(source("src/base/a.ts", `//${"x".repeat(118)}\n`))).toEqual([]);
    expect(lines(checkSizes(source("src/base/a.ts", `\n//${"x".repeat(119)}\n`)))).toEqual(["2 line-length"]);
  });
});

describe("checkDocs", () => {
  test.each([
    "/** What it is. */\nexport const a = 1;",
    "/** What it is. */\n// biome-ignore lint: reason\nexport function a() {}",
    "/** First. */\nexport function a(x: string): void;\nexport function a(x: number): void;\nexport function a() {}",
    "/** What it is. */\nconst a = 1;\nexport { a };",
    'export { a } from "./b.js";',
    "const a = 1;",
  ])("accepts %j", (text) => {
    expect(checkDocs(source("src/base/a.ts", text))).toEqual([]);
  });

  test.each([
    "export const a = 1;",
    "export function a() {}",
    "export class A {}",
    "export interface A {}",
    "export type A = 1;",
    "// no doc comment\nexport type A = 1;",
    "/* nor this */\nexport type A = 1;",
    "/** */\nexport type A = 1;",
    "/** For b. */\nconst b = 1;\nexport const a = b;",
    "const a = 1;\nexport { a };",
  ])("refuses %j", (text) => {
    expect(checkDocs(source("src/base/a.ts", text)).map((one) => one.rule)).toEqual(["doc"]);
  });
});

describe("checkPurity", () => {
  const impure = [
    "setTimeout(f, 1);",
    "globalThis.setInterval(f, 1);",
    "const t = Date.now();",
    "const t = performance.now();",
    "const t = new Date();",
    "const r = Math.random();",
    "crypto.getRandomValues(a);",
    'import { x } from "node:fs";',
    'import type { X } from "node:net";',
    "fetch(url);",
    "new WebSocket(url);",
    "const W = globalThis.WebSocket;",
  ];

  test.each(impure)("refuses %s in a pure layer", (text) => {
    for (const layer of ["base", "access", "frame", "session", "rpc"]) {
      const found = checkPurity(source(`src/${layer}/a.ts`, text));
      expect(found.map((one) => one.rule)).toContain("pure");
    }
  });

  test.each(impure)("allows %s elsewhere", (text) => {
    expect(checkPurity(source("src/link/a.ts", text))).toEqual([]);
    expect(checkPurity(source("src/base/clock.ts", text))).toEqual([]);
  });

  test.each([
    "let socket: WebSocket;",
    "interface Service { fetch(request: Request): Response }",
    "class Service { fetch() { return 1; } }",
    "service.fetch(request);",
    "const d = new Date(0);",
    "timers.setTimeout(f, 1);",
    "// setTimeout is absent on purpose",
    'const names = ["fetch", "Date.now"];',
  ])("allows %s in a pure layer", (text) => {
    expect(checkPurity(source("src/session/a.ts", text))).toEqual([]);
  });
});

describe("checkLanguage", () => {
  test.each([
    ["any", "let x: any;"],
    ["any", "const x = y as any;"],
    ["enum", "enum A { B }"],
    ["enum", "export const enum A { B }"],
    ["default-export", "export default class {}"],
    ["default-export", "const a = 1; export { a as default };"],
    ["console", 'console.log("x");'],
    ["console", "const log = globalThis.console.error;"],
  ])("refuses %s: %s", (rule, text) => {
    expect(lines(checkLanguage(source("src/link/a.ts", text)))).toEqual([`1 ${rule}`]);
  });

  test("allows any in the stub and printing in the command line", () => {
    expect(checkLanguage(source("src/rpc/stub.ts", "let x: any;"))).toEqual([]);
    expect(checkLanguage(source("src/cli/a.ts", 'console.log("x");'))).toEqual([]);
    expect(checkLanguage(source("src/console/a.ts", 'console.log("x");'))).toEqual([]);
  });
});

describe("checkWorkplace", () => {
  const words = { strings: ["registry.example.internal"] };
  // Put together at run time, or this very file would break the rule.
  const path = (...parts: string[]) => `${["", ...parts].join("/")}/`;

  test.each([
    ["README.md", `see ${path("root")}notes`],
    ["README.md", `cd "${path("home", "ann")}project"`],
    ["README.md", `file://${path("Users", "ann")}project`.replace("file://", "")],
    ["src/base/a.ts", `const dir = "${path("work")}main";`],
    ["package-lock.json", `"resolved": "${"https"}://host/a.tgz",`],
    [".npmrc", `${"registry"}=https://host/`],
    ["docs/a.md", "get it from registry.example.internal"],
  ])("refuses %s: %s", (file, text) => {
    expect(lines(checkWorkplace(file, `\n${text}\n`, words))).toEqual(["2 workplace"]);
  });

  test.each([
    ["README.md", "http://host/some/work/address"],
    ["README.md", "src/work/file.ts"],
    ["README.md", `"resolved": "${"https"}://host/a.tgz"`],
    ["picture.png", `\0${path("root")}`],
  ])("allows %s: %j", (file, text) => {
    expect(checkWorkplace(file, text, words)).toEqual([]);
  });
});
