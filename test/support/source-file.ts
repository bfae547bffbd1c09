import { parseSync } from "oxc-parser";

/** A node of the syntax tree, seen only as far as the checks need. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** One broken rule at one place, with what to do about it. */
export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly advice: string;
}

/** A parsed source file. Paths are relative to the repository and use "/". */
export class SourceFile {
  readonly body: readonly Node[];
  readonly #lineStarts: number[] = [0];
  readonly #docComments: readonly { start: number; end: number; value: string }[];

  constructor(
    readonly path: string,
    readonly text: string,
  ) {
    const parsed = parseSync(path, text);
    const problem = parsed.errors[0];
    if (problem) throw new Error(`${path} does not parse: ${problem.message}`);
    this.body = parsed.program.body as unknown as Node[];
    this.#docComments = parsed.comments.filter((c) => c.type === "Block" && /^\*[\s*]*[^\s*]/.test(c.value));
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
  }

  /** The folder of src/ that this file belongs to, or the file's own name when it lies directly in src/. */
  get layer(): string {
    return layerOf(this.path);
  }

  /** The lines of the file, without a last empty one. */
  get lines(): string[] {
    return this.text.replace(/\n$/, "").split("\n");
  }

  /** The line number, from 1, of an offset. */
  lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  /** Whether a doc comment stands directly above a node; line comments for tools may stand between. */
  hasDocComment(node: Node): boolean {
    return this.#docComments.some((comment) => {
      if (comment.end > node.start) return false;
      const between = this.text.slice(comment.end, node.start).replace(/\/\/[^\n]*/g, "");
      return between.trim() === "";
    });
  }

  /** A violation at a node of this file. */
  violation(node: Node, rule: string, advice: string): Violation {
    return { file: this.path, line: this.lineAt(node.start), rule, advice };
  }

  /** Visits every node, parents first. `key` is the field of the parent that holds the node. */
  walk(visit: (node: Node, parent: Node | undefined, key: string) => void): void {
    for (const node of this.body) walkNode(node, undefined, "body", visit);
  }
}

/** The layer that a path below src/ belongs to. */
export function layerOf(path: string): string {
  const [, first = ""] = path.split("/");
  return first.replace(/\.ts$/, "");
}

/** Whether a value of the tree is a node. */
export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

function walkNode(
  node: Node,
  parent: Node | undefined,
  key: string,
  visit: (node: Node, parent: Node | undefined, key: string) => void,
): void {
  visit(node, parent, key);
  for (const [field, value] of Object.entries(node)) {
    if (isNode(value)) walkNode(value, node, field, visit);
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) walkNode(item, node, field, visit);
  }
}
