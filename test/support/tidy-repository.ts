import type { Violation } from "./source-file.js";

/** What no file of the repository may contain: traces of the machine that somebody happened to work on. */
export interface WorkplaceWords {
  /** Strings to look for as they are, such as the path of this checkout or a private registry's host. */
  readonly strings: readonly string[];
}

// Written in pieces, so that this file does not contain what it looks for.
const HOMES = ["root", "work", "home/[^/\\s]+", "Users/[^/\\s]+"];
const ABSOLUTE_PATH = new RegExp(`(?<![\\w.\\-/})*])/(?:${HOMES.join("|")})/`);
const RESOLVED_FROM_HOST = /"resolved":\s*"https?:/;
const REGISTRY_SETTING = /^\s*(?:@[\w-]+:)?registry\s*=/;

/** Checks one file of the repository, of whatever kind, line by line. */
export function checkWorkplace(path: string, text: string, words: WorkplaceWords): Violation[] {
  if (text.includes("\0")) return [];
  const found: Violation[] = [];
  text.split("\n").forEach((line, index) => {
    const advice = adviceFor(path, line, words);
    if (advice) found.push({ file: path, line: index + 1, rule: "workplace", advice });
  });
  return found;
}

function adviceFor(path: string, line: string, words: WorkplaceWords): string | undefined {
  const name = path.split("/").at(-1);
  if (ABSOLUTE_PATH.test(line)) return "a path of somebody's machine; make it relative to the repository";
  if (name === "package-lock.json" && RESOLVED_FROM_HOST.test(line)) {
    return "the lock file names a registry; install again with omit-lockfile-registry-resolved=true";
  }
  if (name === ".npmrc" && REGISTRY_SETTING.test(line)) return "a registry belongs in the user's own npm settings";
  const word = words.strings.find((one) => line.includes(one));
  return word === undefined ? undefined : "this names the place where the file was written; take it out";
}
