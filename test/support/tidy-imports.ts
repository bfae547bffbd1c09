import { INTERNAL_IMPORTS, LAYERS, type Layer } from "./layers.js";
import { isNode, layerOf, type Node, type SourceFile, type Violation } from "./source-file.js";

/** One import, export-from or import() of a file. */
export interface ImportEdge {
  readonly node: Node;
  readonly specifier: string;
  /** The imported file below src/, when the specifier is a relative one. */
  readonly target: string | undefined;
  /** Nothing of it is left after compilation. */
  readonly typeOnly: boolean;
  /** `import()`: loaded later, so it cannot close a cycle while modules start. */
  readonly lazy: boolean;
}

/** All imports of a file. `import { type A }` without the outer `type` still loads the module: it is not type-only. */
export function importsOf(file: SourceFile): ImportEdge[] {
  const edges: ImportEdge[] = [];
  file.walk((node) => {
    const source = node.source;
    if (!isNode(source) || typeof source.value !== "string") return;
    const typeOnly = node.importKind === "type" || node.exportKind === "type" || node.type === "TSImportType";
    const lazy = node.type === "ImportExpression";
    edges.push({ node, specifier: source.value, target: resolveRelative(file.path, source.value), typeOnly, lazy });
  });
  return edges;
}

function resolveRelative(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `file:///${from}`).pathname.slice(1).replace(/\.js$/, ".ts");
}

/** Checks every import against the table in layers.ts, and every package against those that users install. */
export function checkImports(
  files: readonly SourceFile[],
  packages: ReadonlySet<string>,
  layers: Readonly<Record<string, Layer>> = LAYERS,
): Violation[] {
  return files.flatMap((file) => {
    const layer = layers[file.layer];
    if (!layer) {
      const advice = `"${file.layer}" is no known layer; give it a row in test/support/layers.ts or move the file`;
      return [{ file: file.path, line: 1, rule: "imports", advice }];
    }
    return importsOf(file).flatMap((edge) => checkEdge(file, layer, edge, packages));
  });
}

function checkEdge(file: SourceFile, layer: Layer, edge: ImportEdge, packages: ReadonlySet<string>): Violation[] {
  const advice = edge.target ? adviceForLayer(file, layer, edge, edge.target) : adviceForPackage(file, edge, packages);
  return advice ? [file.violation(edge.node, "imports", advice)] : [];
}

function adviceForLayer(file: SourceFile, layer: Layer, edge: ImportEdge, target: string): string | undefined {
  if (!target.startsWith("src/")) return `${edge.specifier} lies outside src/; the library imports only itself`;
  const to = layerOf(target);
  if (to === file.layer || to === "base" || layer.may.includes(to)) return undefined;
  if (layer.typesOnly?.includes(to)) {
    return edge.typeOnly ? undefined : `${file.layer} may import only types from ${to}; write "import type"`;
  }
  const allowed = ["base", ...layer.may].filter((name) => name !== file.layer).join(", ");
  return `${file.layer} may not import ${to} (only ${allowed}); move the code, or hand the value in from above`;
}

function adviceForPackage(file: SourceFile, edge: ImportEdge, packages: ReadonlySet<string>): string | undefined {
  const { specifier } = edge;
  if (specifier.startsWith("node:")) return undefined;
  if (specifier.startsWith("#")) {
    const owner = INTERNAL_IMPORTS[specifier];
    return owner === file.layer ? undefined : `${specifier} belongs to ${owner ?? "no layer"}; go through that layer`;
  }
  const parts = specifier.split("/");
  const name = specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] as string);
  if (packages.has(name)) return undefined;
  return `${name} is not installed for users; a package that src/ imports must be a dependency or a peer dependency`;
}

/** Cycles among the files that stay connected at run time; each is one violation. */
export function checkCycles(files: readonly SourceFile[]): Violation[] {
  return cyclesOf(files, (edge) => !edge.typeOnly && !edge.lazy).map((cycle) => ({
    file: cycle[0] as string,
    line: 1,
    rule: "cycle",
    advice: `import cycle ${[...cycle].sort().join(" <-> ")}; move what they share into a file below both`,
  }));
}

/** How many groups of files form a cycle only because of type imports. Allowed, but worth a look when it grows. */
export function countTypeCycles(files: readonly SourceFile[]): number {
  const all = cyclesOf(files, (edge) => !edge.lazy);
  const runtime = new Set(cyclesOf(files, (edge) => !edge.typeOnly && !edge.lazy).map((cycle) => cycle.join()));
  return all.filter((cycle) => !runtime.has(cycle.join())).length;
}

/** The strongly connected groups of more than one file (Tarjan), each sorted. A file that imports itself counts too. */
function cyclesOf(files: readonly SourceFile[], follow: (edge: ImportEdge) => boolean): string[][] {
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const edges = importsOf(file).filter(follow);
    graph.set(
      file.path,
      edges.flatMap((edge) => edge.target ?? []),
    );
  }
  const order = new Map<string, { index: number; low: number; onStack: boolean }>();
  const stack: string[] = [];
  const cycles: string[][] = [];

  const visit = (path: string) => {
    const mine = { index: order.size, low: order.size, onStack: true };
    order.set(path, mine);
    stack.push(path);
    for (const next of graph.get(path) ?? []) {
      if (!graph.has(next)) continue;
      const seen = order.get(next) ?? visit(next);
      if (seen.onStack) mine.low = Math.min(mine.low, seen.low);
    }
    if (mine.low === mine.index) {
      const group = stack.splice(stack.indexOf(path));
      for (const member of group) (order.get(member) as typeof mine).onStack = false;
      if (group.length > 1 || graph.get(path)?.includes(path)) cycles.push(group.sort());
    }
    return mine;
  };
  for (const path of graph.keys()) if (!order.has(path)) visit(path);
  return cycles;
}
