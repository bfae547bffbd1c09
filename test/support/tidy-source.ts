import { ANY_FILES, IMPURE_FILES, LAYERS, LIMITS, PRINTING_LAYERS } from "./layers.js";
import { isNode, type Node, type SourceFile, type Violation } from "./source-file.js";

const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];
const GLOBAL_OBJECTS = ["globalThis", "self", "window", "global"];

/** Functions, files and lines must stay within the limits of layers.ts. */
export function checkSizes(file: SourceFile): Violation[] {
  const found: Violation[] = [];
  const { lines, path } = file;
  if (lines.length > LIMITS.fileLinesMax) {
    const advice = `${lines.length} lines; split the file by noun, at most ${LIMITS.fileLinesMax}`;
    found.push({ file: path, line: lines.length, rule: "file-length", advice });
  }
  lines.forEach((line, index) => {
    if (line.length <= LIMITS.lineWidthMax) return;
    const advice = `${line.length} columns; break the line, at most ${LIMITS.lineWidthMax}`;
    found.push({ file: path, line: index + 1, rule: "line-length", advice });
  });
  file.walk((node) => {
    if (!FUNCTIONS.includes(node.type) || !isNode(node.body)) return;
    const length = file.lineAt(node.end) - file.lineAt(node.start) + 1;
    if (length <= LIMITS.functionLinesMax) return;
    const advice = `${length} lines; move a step with a name of its own out of it, at most ${LIMITS.functionLinesMax}`;
    found.push(file.violation(node, "function-length", advice));
  });
  return found;
}

/** Every exported declaration has a doc comment. Re-exports from another file are documented there. */
export function checkDocs(file: SourceFile): Violation[] {
  const declared = declarations(file);
  const exported = new Map<string, Node>();
  for (const statement of file.body) {
    if (statement.type !== "ExportNamedDeclaration" || statement.source) continue;
    if (isNode(statement.declaration)) {
      for (const name of namesOf(statement.declaration)) exported.set(name, statement);
    }
    for (const specifier of statement.specifiers as Node[]) {
      const local = specifier.local as Node;
      const [first] = declared.get(local.name as string) ?? [];
      if (first) exported.set(local.name as string, first);
    }
  }
  const undocumented = [...exported].filter(([name]) => !declared.get(name)?.some((node) => file.hasDocComment(node)));
  return undocumented.map(([name, node]) =>
    file.violation(node, "doc", `${name} is exported without a doc comment; say what it promises and when it fails`),
  );
}

/** Top-level statements by the name that they declare; overloads of one function share a name. */
function declarations(file: SourceFile): Map<string, Node[]> {
  const byName = new Map<string, Node[]>();
  for (const statement of file.body) {
    const inner = isNode(statement.declaration) ? statement.declaration : statement;
    for (const name of namesOf(inner)) byName.set(name, [...(byName.get(name) ?? []), statement]);
  }
  return byName;
}

function namesOf(declaration: Node): string[] {
  if (declaration.type.startsWith("Import")) return [];
  if (declaration.type === "VariableDeclaration") {
    return (declaration.declarations as Node[]).flatMap((one) => (one.id as Node).name as string);
  }
  return isNode(declaration.id) ? [declaration.id.name as string] : [];
}

/** A pure layer touches neither time, chance, network nor Node. */
export function checkPurity(file: SourceFile): Violation[] {
  if (!LAYERS[file.layer]?.pure || IMPURE_FILES.includes(file.path)) return [];
  const found: Violation[] = [];
  file.walk((node, parent, key) => {
    const what = impurityOf(node, parent, key);
    if (what) {
      const advice = `${what} in the pure layer ${file.layer}; take it as an argument or leave it to a layer above`;
      found.push(file.violation(node, "pure", advice));
    }
  });
  return found;
}

const IMPURE_NAMES = ["setTimeout", "setInterval", "setImmediate", "WebSocket"];
const IMPURE_MEMBERS = [
  "Date.now",
  "performance.now",
  "Math.random",
  "crypto.getRandomValues",
  "crypto.randomUUID",
  "process.hrtime",
];

function impurityOf(node: Node, parent: Node | undefined, key: string): string | undefined {
  if (isNode(node.source) && String(node.source.value).startsWith("node:")) return String(node.source.value);
  if (node.type === "MemberExpression") {
    const path = memberPath(node);
    return path && IMPURE_MEMBERS.includes(path) ? path : undefined;
  }
  if (node.type === "NewExpression" || node.type === "CallExpression") {
    const callee = memberPath(node.callee as Node);
    if (callee === "fetch") return "fetch()";
    if (callee === "Date" && (node.arguments as Node[]).length === 0) return "the current Date";
  }
  if (node.type === "Identifier" && IMPURE_NAMES.includes(node.name as string) && isValue(parent, key)) {
    return node.name as string;
  }
  return undefined;
}

/** `a.b` for a plain member expression, `b` for `globalThis.b`, `a` for an identifier. */
function memberPath(node: Node): string | undefined {
  if (node.type === "Identifier") return node.name as string;
  if (node.type !== "MemberExpression" || node.computed) return undefined;
  const object = memberPath(node.object as Node);
  const property = (node.property as Node).name as string;
  if (object === undefined) return undefined;
  return GLOBAL_OBJECTS.includes(object) ? property : `${object}.${property}`;
}

/** Whether an identifier stands for a value: not a type, not the name of somebody's property. */
function isValue(parent: Node | undefined, key: string): boolean {
  if (!parent) return true;
  if (parent.type.startsWith("TS") && key !== "expression") return false;
  if (parent.type === "MemberExpression" && key === "property" && !parent.computed) {
    const object = parent.object as Node;
    return object.type === "Identifier" && GLOBAL_OBJECTS.includes(object.name as string);
  }
  return !(key === "key" && !parent.computed);
}

/** No `any`, `enum`, default export or console call where the house does not want them. */
export function checkLanguage(file: SourceFile): Violation[] {
  const found: Violation[] = [];
  const report = (node: Node, rule: string, advice: string) => found.push(file.violation(node, rule, advice));
  file.walk((node) => {
    if (node.type === "TSAnyKeyword" && !ANY_FILES.includes(file.path)) {
      report(node, "any", `say unknown and narrow it; any lives only in ${ANY_FILES.join(", ")}`);
    } else if (node.type === "TSEnumDeclaration") {
      report(node, "enum", "use a union of string literals, or a const object");
    } else if (node.type === "ExportDefaultDeclaration" || isDefaultSpecifier(node)) {
      report(node, "default-export", "export it by name, so that it has one name everywhere");
    } else if (node.type === "MemberExpression" && memberPath(node)?.startsWith("console.")) {
      if (PRINTING_LAYERS.includes(file.layer)) return;
      report(node, "console", "a library does not log; publish an event and let observe/ turn it into a line");
    }
  });
  return found;
}

function isDefaultSpecifier(node: Node): boolean {
  if (node.type !== "ExportSpecifier") return false;
  const exported = node.exported as Node;
  return exported.name === "default" || exported.value === "default";
}
