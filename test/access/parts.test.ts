import fc from "fast-check";
import { expect, test } from "vitest";
import { type AcceptanceState, decideAccess } from "../../src/access/access-acceptance.js";
import { randomIds, sequentialIds } from "../../src/access/address-generation.js";
import { decodeBase64url, encodeBase64url } from "../../src/access/base64url.js";
import { notificationHeaders, notificationJson } from "../../src/access/identification-notification.js";
import { platformRandom } from "../../src/base/clock.js";
import { defaultLimits } from "../../src/frame/limits.js";
import { deriveSecrets, sessionSecrets } from "../../src/host/secrets.js";

test("encodeBase64url agrees with Node, and decodeBase64url gives back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (octets) => {
      const text = encodeBase64url(octets);
      expect(text).toBe(Buffer.from(octets).toString("base64url"));
      expect(decodeBase64url(text, octets.length)).toEqual(octets);
    }),
  );
});

test("decodeBase64url takes one spelling only", () => {
  expect(decodeBase64url("AA", 1)).toEqual(new Uint8Array(1));
  for (const text of ["AB", "A", "AAA", "AA==", "A+", "A ", "Ａ", ""]) expect(decodeBase64url(text, 1)).toBeUndefined();
});

test("sequentialIds makes the figures' identifications and knows its own", () => {
  const ids = sequentialIds("WAO");
  expect([ids.next(), ids.next(), ids.next()]).toEqual(["WAO1", "WAO2", "WAO3"]);
  const owners = ["WAO1", "WAO99", "WAO0", "WAO01", "WAO1e1", "WAO", "wao1", "WAO-1", ""].map((id) => ids.owner(id));
  expect(owners).toEqual([
    "mine-maybe",
    "mine-maybe",
    "malformed",
    "malformed",
    "malformed",
    "foreign",
    "foreign",
    "foreign",
    "foreign",
  ]);
});

test("randomIds names its node and never makes one twice", () => {
  const ids = randomIds({ systemId: "WAO", node: "n1", random: platformRandom });
  const made = new Set(Array.from({ length: 100_000 }, () => ids.next()));
  expect(made.size).toBe(100_000);
  const [one = ""] = made;
  expect(one).toMatch(/^WAO\.n1\.[A-Za-z0-9_-]{22}$/);
  expect(ids.owner(one)).toBe("mine-maybe");
  expect(ids.owner(one.replace("n1", "n2"))).toBe("other-node");
  expect(ids.owner(`${one}A`)).toBe("malformed");
  expect(ids.owner(`${one}.x`)).toBe("malformed");
  expect(ids.owner("WAO1")).toBe("foreign");
});

test.each(["", "a b", "n.1", "n_1", "x".repeat(33), "ä"])("randomIds refuses the node name %j", (node) => {
  expect(() => randomIds({ systemId: "WAO", node, random: platformRandom })).toThrow(/node name/);
});

test.each(["", "WAO:1", "a/b", "..", "x".repeat(65)])("sequentialIds refuses the system ID %j", (systemId) => {
  expect(() => sequentialIds(systemId)).toThrow(/system ID/);
});

const asked = { nonce: "00", service: undefined, triedMsAgo: 0 };
const idle: AcceptanceState = {
  nowMs: 10_000,
  closing: false,
  services: ["default"],
  sessions: 0,
  waitingFromSource: 0,
  sessionsFromSource: 0,
  sourceWaitMs: 0,
  startWaitMs: 0,
  known: undefined,
  knownSinceMs: 5_000,
};
const limits = { sessionsMax: 10, waitingPerSourceMax: 2, sessionsPerSourceMax: 5 };

test.each<[string, Partial<typeof asked>, Partial<AcceptanceState>, string]>([
  ["a first access", {}, {}, "generate"],
  ["a repeat of one that lives", {}, { known: { id: "WAO1", live: true } }, "repeat"],
  ["a repeat while the server closes", {}, { known: { id: "WAO1", live: true }, closing: true }, "repeat"],
  ["a repeat at the limits", {}, { known: { id: "WAO1", live: true }, sessions: 10, waitingFromSource: 2 }, "repeat"],
  ["a repeat of one that ended", {}, { known: { id: "WAO1", live: false } }, "session_ended"],
  ["an access while the server closes", {}, { closing: true }, "going_away"],
  ["a repeat from before the start", { triedMsAgo: 5_001 }, {}, "access_unknown"],
  ["a repeat from the moment of the start", { triedMsAgo: 5_000 }, {}, "access_unknown"],
  ["a repeat that never arrived before", { triedMsAgo: 4_999 }, {}, "generate"],
  ["a first access at the start", {}, { nowMs: 5_000 }, "generate"],
  ["an unknown service", { service: "x" as never }, {}, "unknown_service"],
  ["no service of several", {}, { services: ["a", "b"] }, "unknown_service"],
  ["one below sessionsMax", {}, { sessions: 9 }, "generate"],
  ["sessionsMax", {}, { sessions: 10 }, "server_busy"],
  ["one below waitingPerSourceMax", {}, { waitingFromSource: 1 }, "generate"],
  ["waitingPerSourceMax", {}, { waitingFromSource: 2 }, "too_many_requests"],
  ["one below sessionsPerSourceMax", {}, { sessionsFromSource: 4 }, "generate"],
  ["sessionsPerSourceMax", {}, { sessionsFromSource: 5 }, "too_many_requests"],
  ["a source that accesses too fast", {}, { sourceWaitMs: 1 }, "too_many_requests"],
  ["a repeat of one that lives, however fast", {}, { known: { id: "WAO1", live: true }, sourceWaitMs: 1 }, "repeat"],
  ["more than is started in a second", {}, { startWaitMs: 1 }, "server_busy"],
])("decideAccess %s", (_name, request, state, expected) => {
  const decision = decideAccess({ ...asked, ...request }, { ...idle, ...state }, limits);
  expect(decision.kind === "refuse" ? decision.error.code : decision.kind).toBe(expected);
});

test("notification tells the identification and never an address", () => {
  const notification = {
    id: "WAO1",
    key: new Uint8Array(32).fill(255),
    leaseMs: 5,
    links: ["websocket"],
    admission: "0.x",
  };
  expect(notificationHeaders("WAO1")).toMatchObject({ location: "WAO1", "cache-control": "no-store" });
  expect(JSON.parse(notificationJson({ ...notification, limits: defaultLimits }))).toEqual({
    ...notification,
    key: `${"_".repeat(42)}8`,
    limits: defaultLimits,
  });
});

test("secrets of two sessions, two purposes and two servers have nothing in common", () => {
  const [one, two] = [deriveSecrets(new Uint8Array(32)), deriveSecrets(new Uint8Array(32).fill(1))];
  const all = [one, two].flatMap((secrets) =>
    ["WAO1", "WAO2"].flatMap((id) => [
      Buffer.from(secrets.key(id)).toString("base64url"),
      secrets.doorToken(id),
      secrets.admission(id, 1).slice(2),
      secrets.admission(id, 2).slice(2),
      secrets.signPath(id, "GET", "/", 0).split(".")[1],
      secrets.signPath(id, "POST", "/", 0).split(".")[1],
    ]),
  );
  expect(new Set(all.map((text) => text?.slice(0, 8))).size).toBe(all.length);
  expect(one.keyFits("WAO1", one.key("WAO1"))).toBe(true);
  expect(one.keyFits("WAO1", one.key("WAO2"))).toBe(false);
  expect(one.keyFits("WAO1", new Uint8Array(0))).toBe(false);
  expect(one.admissionNumber("WAO1", one.admission("WAO1", 7))).toBe(7);
  for (const wrong of ["", ".", "7", `7.${"A".repeat(22)}`, `07${one.admission("WAO1", 7).slice(1)}`, "x.y", "ä.ö"]) {
    expect(one.admissionNumber("WAO1", wrong)).toBeUndefined();
  }
});

test("the secret of one session gives its keys and tokens, and those of no other session", () => {
  const server = deriveSecrets(new Uint8Array(32));
  const carried = sessionSecrets("WAO1", server.session("WAO1"));
  expect(carried.key("WAO1")).toEqual(server.key("WAO1"));
  expect(server.admissionNumber("WAO1", carried.admission("WAO1", 3))).toBe(3);
  expect(server.signedPath("WAO1", "GET", carried.signPath("WAO1", "GET", "/a", 60_000), 0)).toBe("/a");
  expect(() => carried.key("WAO2")).toThrow(/was not given/);
  expect(Buffer.from(server.session("WAO1")).equals(server.session("WAO2"))).toBe(false);
});
