import { expect, test } from "vitest";
import { encodeFrame } from "../../src/frame/frame.js";
import { access, accessFrame, attachFrame, bearer, send, startServer, visible } from "./support.js";

const KEY = new Uint8Array(32);

test("DELETE with the key ends the session, and its holder is told so afterwards", async () => {
  const { url, server, host } = await startServer();
  const one = await access(url);
  const two = await access(url);
  const ended = await send("DELETE", one.address, { headers: bearer(one.key) });
  expect([ended.status, ended.body.length]).toEqual([204, 0]);
  expect((await host.processes[0]?.ended)?.code).toBe("closed");
  expect(server.sessions.get(one.id)).toBeUndefined();
  const again = await send("DELETE", one.address, { headers: bearer(one.key) });
  expect([again.status, again.json.code]).toEqual([410, "session_ended"]);
  const byBody = await send("DELETE", two.address, { body: JSON.stringify({ key: two.key }) });
  expect(byBody.status).toBe(204);
});

test("POST with an attach is decided by the process", async () => {
  const { url, host } = await startServer({ firstAnswerHoldMs: 0 });
  const { address, keyOctets } = await access(url);
  const ack = encodeFrame({ type: "ack", sequence: 4 });
  const answer = await send("POST", address, { body: Buffer.concat([attachFrame(keyOctets), ack]) });
  expect([answer.status, answer.headers.location]).toEqual([200, undefined]);
  expect(answer.frames.map(({ type }) => type)).toEqual(["welcome"]);
  expect(host.processes[0]?.state).toBe("open");
  expect(host.processes[0]?.received).toEqual([{ type: "ack", sequence: 4 }]);
});

test("POST with an attach that comes before the process is ready waits for it", async () => {
  const { url, host, server } = await startServer({ firstAnswerHoldMs: 0, ids: "sequential", secret: "s".repeat(32) });
  let proceed = () => {};
  let key = KEY;
  host.before = (made) => {
    key = made.key as typeof KEY;
    return new Promise<void>((resolve) => (proceed = resolve));
  };
  const accessing = access(url);
  await expect.poll(() => server.sessions.size).toBe(1);
  await expect.poll(() => key).not.toBe(KEY);
  const attaching = send("POST", new URL("WAO1", url).href, { body: attachFrame(key) });
  // The early attach waits at the address; only then is the process ready.
  await send("GET", url);
  proceed();
  expect((await attaching).status).toBe(200);
  expect((await accessing).id).toBe("WAO1");
});

test("POST with an attach after the end is answered session_ended to the holder of the key", async () => {
  const { url, server } = await startServer();
  const { address, id, keyOctets } = await access(url);
  server.sessions.end(id);
  await expect.poll(() => server.sessions.size).toBe(0);
  const answer = await send("POST", address, { body: attachFrame(keyOctets) });
  expect(answer.status).toBe(410);
  expect(answer.frames[0]).toMatchObject({ type: "refused", code: "session_ended" });
});

test("the key of an ended session is recognised by a restarted server with the same secret", async () => {
  const secret = "a secret that is kept in a file...";
  const before = await startServer({ secret });
  const { id, key } = await access(before.url);
  await before.server.close();
  const after = await startServer({ secret });
  const address = new URL(id, after.url).href;
  expect((await send("DELETE", address, { headers: bearer(key) })).status).toBe(410);
  expect((await send("DELETE", address, { headers: bearer(KEY) })).status).toBe(404);
});

test("sequential ids never meet the key of an earlier start", async () => {
  const secret = "a secret that is kept in a file...";
  const before = await startServer({ secret, ids: "sequential" });
  const { key } = await access(before.url);
  await before.server.close();
  const after = await startServer({ secret, ids: "sequential" });
  const { id, address } = await access(after.url);
  expect(id).toBe("WAO1");
  expect((await send("DELETE", address, { headers: bearer(key) })).status).toBe(404);
});

test("an id of another node is answered wrong_node from the id alone", async () => {
  const { url } = await startServer({ node: "n1" });
  const other = new URL(`WAO.n2.${"A".repeat(22)}`, url).href;
  const answer = await send("POST", other, { body: attachFrame(KEY) });
  expect([answer.status, answer.frames[0]]).toMatchObject([421, { code: "wrong_node" }]);
  expect((await send("DELETE", other)).json.code).toBe("wrong_node");
});

/** Everything that is no key of `id`: checklist line 2. */
function wrongKeys(key: Buffer, other: Buffer): { headers?: Record<string, string>; body?: string | Uint8Array }[] {
  const flipped = Buffer.from(key);
  flipped[31] = (flipped[31] as number) ^ 1;
  const text = key.toString("base64url");
  return [
    {},
    { headers: { authorization: "" } },
    { headers: { authorization: "Bearer" } },
    { headers: { authorization: "Bearer " } },
    { headers: { authorization: `Basic ${text}` } },
    { headers: { authorization: `Bearer ${text} ${text}` } },
    { headers: { authorization: `Bearer ${text}=` } },
    { headers: { authorization: `Bearer ${text}A` } },
    { headers: { authorization: `Bearer ${text.slice(0, -1)}` } },
    { headers: bearer(flipped) },
    { headers: bearer(other) },
    { headers: bearer(KEY) },
    { body: JSON.stringify({ key: [text] }) },
    { body: JSON.stringify({ key: { toString: text } }) },
    { body: JSON.stringify({ key: null }) },
    { body: JSON.stringify({ key: flipped.toString("base64url") }) },
    { body: "null" },
    { body: "{" },
    { body: key.subarray(0, 31) },
    { body: flipped },
  ];
}

test("a wrong key is answered like an unknown address", async () => {
  const { url } = await startServer();
  const mine = await access(url);
  const other = await access(url);
  const unknown = new URL(`WAO.n1.${"A".repeat(22)}`, url).href;
  for (const request of wrongKeys(mine.keyOctets, other.keyOctets)) {
    for (const path of ["", "/door"]) {
      const method = path === "" ? "DELETE" : "POST";
      const atMine = await send(method, mine.address + path, request);
      const atUnknown = await send(method, unknown + path, request);
      expect(atMine.status).toBe(404);
      expect(visible(atMine)).toBe(visible(atUnknown));
    }
  }
  const duplicate = { headers: { authorization: [bearer(KEY).authorization, bearer(mine.key).authorization] } };
  expect((await send("DELETE", mine.address, duplicate as never)).status).toBe(404);
  expect((await send("DELETE", `${mine.address}?key=${mine.key}`)).status).toBe(404);
});

test("a wrong attach is answered like one at an unknown address", async () => {
  const { url } = await startServer();
  const mine = await access(url);
  const other = await access(url);
  const unknown = new URL(`WAO.n1.${"A".repeat(22)}`, url).href;
  const right = attachFrame(mine.keyOctets);
  const bodies = [
    attachFrame(KEY),
    attachFrame(other.keyOctets),
    accessFrame(),
    encodeFrame({ type: "refused", code: "x", message: "y" }),
    encodeFrame({ type: "ack", sequence: 1 }),
    right.subarray(0, right.length - 1),
    Buffer.concat([right, Buffer.from([2])]),
    Buffer.from([2]),
    Buffer.from([2, 0xff, 0xff, 0xff, 0]),
    "{}",
    "",
  ];
  for (const body of bodies) {
    const atMine = await send("POST", mine.address, { body });
    expect(atMine.status).toBe(404);
    expect(visible(atMine)).toBe(visible(await send("POST", unknown, { body })));
  }
  // The process's own words for it do not come through either.
  expect((await send("POST", mine.address, { body: attachFrame(KEY) })).frames[0]).toMatchObject({
    code: "session_unknown",
    message: "There is no such address here, or the key does not fit it.",
  });
});

test("a session's address tells nothing to any method without the key", async () => {
  const { url } = await startServer();
  const { address, id } = await access(url);
  const unknown = new URL(`WAO.n1.${"A".repeat(22)}`, url).href;
  for (const method of ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
    for (const path of ["", "/", "/page", "/door"]) {
      const atMine = await send(method, address + path);
      const alike = visible(await send(method, unknown + path)).replaceAll("A".repeat(22), id.slice(-22));
      expect(visible(atMine)).toBe(alike);
      expect([404, method === "OPTIONS" || path === "/door" ? 204 : 404]).toContain(atMine.status);
    }
  }
});

test("10,000 guessed ids look alike", { timeout: 60_000 }, async () => {
  const { url, server } = await startServer({ ids: "sequential", limits: { waitingPerSourceMax: 20_000 } });
  for (let made = 0; made < 20; made++) await access(url);
  const strange = [
    "WAO01",
    "wao1",
    "WAO-1",
    "WAO1e1",
    "WAO1.0",
    "+WAO1",
    "WAO0",
    "WAO1_",
    "WAO%31",
    "WAO1%00",
    "WAO１",
  ];
  const seen = new Set<string>();
  const guess = async (id: string) => {
    const method = ["GET", "POST", "DELETE"][id.length % 3] as string;
    const answer = await fetch(`${url.replace(/WAO$/, "")}${id}`, { method });
    const { date: _, ...headers } = Object.fromEntries(answer.headers);
    seen.add(JSON.stringify([answer.status, headers, await answer.text()]));
  };
  const ids = [...strange, ...Array.from({ length: 10_000 }, (_, index) => `WAO${index + 1}`)];
  for (let at = 0; at < ids.length; at += 200) await Promise.all(ids.slice(at, at + 200).map(guess));
  expect([...seen]).toHaveLength(1);
  expect([...seen][0]).toContain("[404,");
  expect(server.sessions.size).toBe(20);
});

test("every answer of the wire says no-store, and no text of ours repeats a key", async () => {
  const { url, refusals } = await startServer();
  const { address, key, keyOctets } = await access(url);
  const answers = [
    await send("POST", url, { body: key }),
    await send("GET", url),
    await send("OPTIONS", url),
    await send("POST", address, { body: attachFrame(KEY) }),
    await send("POST", `${address}/door`, { headers: bearer(key) }),
    await send("GET", `${address}/${key}`),
    await send("DELETE", address, { headers: bearer(`${key}A`) }),
    await send("DELETE", address, { headers: bearer(key) }),
    await send("POST", address, { body: attachFrame(keyOctets) }),
  ];
  for (const { headers } of answers) {
    expect(headers).toMatchObject({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
  }
  const texts = [...answers.map(({ body }) => body.toString("latin1")), ...refusals.map(({ message }) => message)];
  for (const text of texts) expect(text).not.toContain(key.slice(0, 16));
});
