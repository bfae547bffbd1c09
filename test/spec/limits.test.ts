import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as limits from "../../src/frame/limits.js";
import * as heartbeat from "../../src/session/heartbeat.js";
import { type SessionAction, sessionInputs, sessionStates, sessionTable } from "../../src/session/states.js";
import * as timers from "../../src/session/timers.js";

// What spec/session.md says of the session's states and limits is made from the sources, between two marks each.
// `UPDATE_SPEC=1 npx vitest run test/spec` writes it anew.

const page = new URL("../../spec/session.md", import.meta.url);
const isUpdate = process.env.UPDATE_SPEC === "1";

/** What each constant bounds. One that is added in the sources has to be added here: that is what the test is for. */
const meanings: Readonly<Record<string, string>> = {
  WIRE_VERSION: "the version in ACCESS, ATTACH and WELCOME",
  BATCH_BYTES_MAX: "messages in one BATCH, octets in one FRAGMENT",
  FRAME_BYTES_MAX: "payload of any frame",
  WRITE_BYTES_MAX: "one write, which every receiver takes",
  PING_BYTES_MAX: "a PING, and so its PONG",
  AHEAD_BYTES_MAX: "`ahead` in ACCESS, ATTACH and WELCOME",
  FRAGMENTED_MESSAGES_MAX: "messages of one direction in fragments at once",
  REASON_CHARACTERS_MAX: "what is kept of a `message`",
  EARLY_BYTES_MAX: "the window of a client before its first WELCOME",
  WINDOW_RESERVE_BYTES: "beyond the window, for urgent messages",
  ACK_DELAY_MS: "the longest that an ACK waits",
  SUSPECT_MS_MIN: "no path is suspect before",
  SUSPECT_MS_MAX: "a path is suspect then in any case",
  SUSPECT_ROUND_TRIPS: "in between: suspect after so many round trips",
  ROUND_TRIP_MS_MAX: "the most that one measurement counts for the round-trip time",
  ROUND_TRIP_GAIN: "how much of a PING's round trip goes into the mean",
  HEARTBEAT_IDLE_MS: "an idle client sends PING after so long without a frame",
  HEARTBEAT_BUSY_MS: "a client that waits for an answer, or has just heard a batch, sends PING after so long",
  HEARTBEAT_NARROW_MS: "where idle paths die, the least that the longest silence comes down to",
  DEATHS: "paths in a row that a silence has ended, before it counts as too long",
  TRUST: "silences lived through before a longer one is tried; each relapse doubles it",
  TRUST_MAX: "the most of these",
  SERVER_PATIENCE_MS: "the server's lease is so much longer than the client's",
};

const announced: Readonly<Record<keyof limits.AnnouncedLimits, string>> = {
  windowBytes: "frames of batches under way to the announcer",
  callsInFlightMax: "calls to the announcer that are open: rpc.md, section 4",
  messageBytesMax: "one message to the announcer",
  assemblyBytesMax: "messages to the announcer that are not whole, together",
  referencesMax: "what is lent to the announcer: rpc.md, section 5",
};

const actionNames: Readonly<Record<SessionAction, string>> = {
  tell_close: "CLOSE",
  confirm_close: "CLOSED",
  settle: "end",
  violation: "violation",
};

const unitOf = (name: string): string => {
  if (/bytes/i.test(name)) return "octets";
  if (/_MS(_|$)/.test(name)) return "ms";
  if (/characters/i.test(name)) return "characters";
  return "";
};
const figure = (value: number): string => value.toLocaleString("en-US");
const camel = (name: string): string =>
  name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const row = (...cells: readonly string[]): string =>
  `|${cells.map((one) => (one === "" ? " " : ` ${one} `)).join("|")}|`;

/** Every constant of a source file, exported or not, in its order: a number, or what the module makes of it. */
function constantsOf(source: string, exported: Readonly<Record<string, unknown>>): [string, number][] {
  const text = readFileSync(new URL(`../../src/${source}`, import.meta.url), "utf8");
  const names = [...text.matchAll(/^(?:export )?const ([A-Z][A-Z_]+)\b[^=]*= ([^;]+);/gm)];
  return names.map(([, name = "", value = ""]) => [name, Number(exported[name] ?? value.replaceAll("_", ""))]);
}

function limitsBlock(): string {
  const constants = (from: string, exported: object) =>
    constantsOf(from, exported as Record<string, unknown>).map(([name, value]) => {
      expect(Number.isFinite(value), `${name} is no plain number`).toBe(true);
      expect(Object.keys(meanings), `say in test/spec/limits.test.ts what ${name} bounds`).toContain(name);
      return row(`\`${camel(name)}\``, figure(value), unitOf(name), meanings[name] ?? "");
    });
  const names = Object.keys(limits.defaultLimits) as (keyof limits.AnnouncedLimits)[];
  const said = names.map((name) => {
    const [preset, least] = [limits.defaultLimits[name], limits.leastLimits[name]];
    return row(`\`${name}\``, figure(preset), figure(least), unitOf(name), announced[name]);
  });
  const head = [row("limit", "figure", "unit", "of what"), row("---", "---", "---", "---")];
  return [
    "Fixed, the same for both sides:",
    "",
    ...head,
    ...constants("frame/limits.ts", limits),
    "",
    "Announced in `limits`, by each side for itself:",
    "",
    row("limit", "default", "least", "unit", "of what"),
    row("---", "---", "---", "---", "---"),
    ...said,
    "",
    "Times:",
    "",
    ...head,
    ...constants("session/timers.ts", timers),
    ...constants("session/heartbeat.ts", heartbeat),
  ].join("\n");
}

function statesBlock(): string {
  const arrows = new Map<string, string[]>();
  for (const state of sessionStates) {
    for (const input of sessionInputs) {
      const { next } = sessionTable[state][input];
      const arrow = `    ${state} --> ${next}`;
      if (next !== state) arrows.set(arrow, [...(arrows.get(arrow) ?? []), input]);
    }
  }
  const cell = (state: (typeof sessionStates)[number], input: (typeof sessionInputs)[number]) => {
    const { next, actions } = sessionTable[state][input];
    const said = actions.map((action) => actionNames[action]);
    return [next === state ? "" : `**${next}**`, ...said].filter((one) => one !== "").join(", ");
  };
  return [
    row("", ...sessionStates),
    row(...["", ...sessionStates].map(() => "---")),
    ...sessionInputs.map((input) => row(`\`${input}\``, ...sessionStates.map((state) => cell(state, input)))),
    "",
    "```mermaid",
    "stateDiagram-v2",
    `    [*] --> ${sessionStates[0]}`,
    ...[...arrows].map(([arrow, inputs]) => `${arrow}: ${inputs.join(", ")}`),
    `    ${sessionStates.at(-1)} --> [*]`,
    "```",
  ].join("\n");
}

test.each([
  ["states", statesBlock],
  ["limits", limitsBlock],
])("spec/session.md has the %s of the sources", (name, make) => {
  const text = readFileSync(page, "utf8");
  const [begin, end] = [`<!-- ${name}:begin -->\n`, `\n<!-- ${name}:end -->`];
  const [before = "", rest] = text.split(begin);
  const [block, after] = rest?.split(end) ?? [];
  if (after === undefined) throw new Error(`spec/session.md has no block between ${begin.trim()} and ${end.trim()}`);
  const made = `\n${make()}\n`;
  if (isUpdate) writeFileSync(page, before + begin + made + end + after);
  else expect(block, "UPDATE_SPEC=1 npx vitest run test/spec/limits.test.ts writes it anew").toBe(made);
});

test("spec/limits says what every constant bounds, and of no other", () => {
  const names = [
    ...constantsOf("frame/limits.ts", limits as never),
    ...constantsOf("session/timers.ts", timers as never),
    ...constantsOf("session/heartbeat.ts", heartbeat as never),
  ];
  expect(names.map(([name]) => name).sort()).toEqual(Object.keys(meanings).sort());
});
