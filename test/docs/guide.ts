/**
 * The guides as a test sees them. After the language of a code block stand words that no page shows; they say what the
 * block is, and every block must have one:
 *
 *     ```ts file=server.ts     this text becomes the file; append=server.ts adds to it
 *     ```sh run                these lines are run, and must end well; run=server: they go on running under that name
 *     ```text output           what the last `run` printed, line by line; output=server: what that program has printed
 *     ```sh shown              not run, for a reason that the guide gives
 *
 * In the lines of `output`, "…" stands for any text.
 */
import { readFileSync } from "node:fs";

/** What a code block is for. */
export type BlockKind = "file" | "append" | "run" | "output" | "shown";

/** A code block of a guide. */
export interface Block {
  readonly kind: BlockKind;
  /** The file's or the program's name; "" where there is none. */
  readonly name: string;
  readonly language: string;
  readonly text: string;
  /** Where it begins, for messages: `docs/guides/first-service.md:12`. */
  readonly place: string;
  /** The heading of the second level that it stands under; "" before the first. */
  readonly section: string;
}

const kinds: ReadonlySet<string> = new Set(["file", "append", "run", "output", "shown"]);
const root = new URL("../../", import.meta.url);

/** The code blocks of a Markdown file of this repository. Throws for a block that does not say what it is. */
export function readGuide(path: string): Block[] {
  const lines = readFileSync(new URL(path, root), "utf8").split("\n");
  const blocks: Block[] = [];
  let section = "";
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (line.startsWith("## ")) section = line.slice(3).trim();
    const opening = /^```(.*)$/.exec(line)?.[1];
    if (opening === undefined) continue;
    const end = lines.indexOf("```", index + 1);
    if (end < 0) throw new Error(`${path}:${index + 1} opens a code block that nothing closes`);
    const text = `${lines.slice(index + 1, end).join("\n")}\n`;
    blocks.push({ ...readInfo(opening, `${path}:${index + 1}`), text, section });
    index = end;
  }
  return blocks;
}

function readInfo(info: string, place: string) {
  const [language = "", word = "", ...more] = info.split(" ");
  const [kind = "", name = ""] = word.split("=");
  if (kinds.has(kind) && more.length === 0) return { kind: kind as BlockKind, name, language, place };
  throw new Error(`${place} does not say what its code block is: \`\`\`${language} file=…, run, output or shown`);
}

/** The blocks of these sections, together with what stands before the first heading. */
export function sectionsOf(blocks: readonly Block[], ...sections: string[]): Block[] {
  for (const name of sections) {
    if (!blocks.some(({ section }) => section === name)) throw new Error(`no section is called ${name}`);
  }
  return blocks.filter(({ section }) => section === "" || sections.includes(section));
}
