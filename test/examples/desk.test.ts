/** The example desk, as its Node client meets it: examples/desk. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import type { ClientSession } from "../../src/client/index.js";
import {
  type DeskClient,
  type DeskParts,
  type DeskService,
  deskParts,
  fileOf,
  type OpenDesk,
  PREPARE_MS,
  type Progress,
  type Question,
  type Report,
  run,
} from "./desk-fixture.js";

const FLOWERS = "kind,petals\nrose,5\nlily,6\nrose,5\nlily,\nrose,5\nlily,3\n";

interface Opened {
  readonly parts: DeskParts;
  readonly desk: OpenDesk;
}

async function open(context: TestContext): Promise<Opened> {
  const parts = await deskParts(context);
  const desk = await parts.openDesk({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => desk.close());
  return { parts, desk };
}

/** A session whose person answers with the option that has this text in it; without a text they take the first. */
function visit({ parts, desk }: Opened, ...answers: string[]) {
  const progress: Progress[] = [];
  const questions: Question[] = [];
  const expose: DeskClient = {
    progress: (one) => void progress.push(one),
    async ask(question) {
      const wanted = answers[questions.length] ?? "";
      questions.push(question);
      return question.options.find((option) => option.includes(wanted));
    },
  };
  const session = parts.connect<DeskService>(desk.address, { expose });
  onTestFinished(() => session.close());
  return { session, progress, questions };
}

/** A report's page, as its client finds it. */
function pageOf({ page }: Report, { address }: ClientSession<DeskService>): string {
  return new URL(page, address.href).href;
}

/** Where a page of this URL leads to with its link to `file`. */
function linkIn(html: string, pageHref: string, file: string): string {
  const [, link] = new RegExp(`href="([^"]*/${file}\\?[^"]*)"`).exec(html) ?? [];
  if (link === undefined) throw new Error(`the page has no link to ${file}: ${html.slice(0, 2_000)}`);
  return new URL(link.replaceAll("&amp;", "&"), pageHref).href;
}

function withoutLinks(html: string): string {
  return html.replace(/(?:href|src)="[^"]*"/g, "");
}

describe("desk", { timeout: PREPARE_MS }, () => {
  it("reads a real file, tells the progress, asks, and answers with a chart", async (context) => {
    const opened = await open(context);
    const { session, progress, questions } = visit(opened, "map");
    const sample = readFileSync(opened.parts.samplePath("zipcodes.csv"));

    const report = await opened.parts.sendFile(session.remote, fileOf("zipcodes.csv", sample));

    expect(report).toMatchObject({ rows: 42_049, rowsLeftOut: 0, title: "A map by latitude and longitude" });
    expect(new TextDecoder().decode(report.chart)).toMatch(/^<svg [\s\S]*<\/svg>$/);
    expect(questions.map(({ options }) => options.length)).toEqual([2]);
    for (const step of ["reading", "drawing"]) {
      const bytes = progress.filter((one) => one.step === step).map((one) => one.bytes);
      expect(bytes.length).toBeGreaterThan(5);
      expect(bytes).toEqual([...bytes].sort((one, other) => one - other));
      expect(bytes.at(-1)).toBe(sample.length);
    }
  });

  it("serves the report as a page at the session's own address, to whoever has a signed link", async (context) => {
    const opened = await open(context);
    const { session } = visit(opened, "map");
    const sample = readFileSync(opened.parts.samplePath("zipcodes.csv"));
    const report = await opened.parts.sendFile(session.remote, fileOf("zipcodes.csv", sample));

    const page = await fetch(pageOf(report, session));

    expect(page.url.startsWith(`${session.address.href}/report?`)).toBe(true);
    expect(page.headers.get("content-type")).toContain("text/html");
    const html = await page.text();
    expect(html).toContain("42,049 rows");
    const chart = await fetch(linkIn(html, page.url, "chart.svg"));
    expect(chart.headers.get("content-type")).toContain("image/svg+xml");
    expect(new Uint8Array(await chart.arrayBuffer())).toEqual(report.chart);
    const table = await fetch(linkIn(html, page.url, "table.csv"));
    expect(table.headers.get("content-disposition")).toContain("attachment");
    expect((await table.text()).split("\r\n")[0]).toBe("longitude,latitude,rows");
    for (const { headers } of [page, chart, table]) {
      expect(headers.get("content-security-policy")).toMatch(/^sandbox allow-downloads; default-src 'none';/);
    }
  });

  it("gives each report of a session a page of its own", async (context) => {
    const opened = await open(context);
    const { session } = visit(opened);
    const flowers = await opened.parts.sendFile(session.remote, fileOf("flowers.csv", FLOWERS));
    const trees = await opened.parts.sendFile(session.remote, fileOf("trees.csv", FLOWERS));

    const texts = await Promise.all(
      [flowers, trees].map(async (report) => (await fetch(pageOf(report, session))).text()),
    );

    expect(texts[0]).toContain("<title>flowers.csv");
    expect(texts[1]).toContain("<title>trees.csv");
    expect((await session.remote.reopen(flowers.ticket))?.page).toContain("/report?number=1&");
  });

  it("shows nothing of a report without its signature, and says when its session has ended", async (context) => {
    const opened = await open(context);
    const { session } = visit(opened);
    const report = await opened.parts.sendFile(session.remote, fileOf("flowers.csv", FLOWERS));
    const url = pageOf(report, session);
    const changed = [
      url.replace(/.$/, (last) => (last === "A" ? "B" : "A")),
      url.replace("/report?", "/table.csv?"),
      url.replace("number=1", "number=2"),
      url.replace(/duowire=\d+/, "duowire=9999999999"),
      url.replace(/\?.*/, ""),
    ];

    for (const wrong of changed) expect((await fetch(wrong)).status).toBe(404);
    expect((await fetch(url, { method: "POST" })).status).toBe(404);
    expect((await fetch(url)).status).toBe(200);

    await session.close();
    await expect.poll(() => opened.desk.server.sessions.size).toBe(0);
    expect((await fetch(url)).status).toBe(410);
    for (const wrong of changed) expect((await fetch(wrong)).status).toBe(404);
  });

  it("heeds the answers to its questions", async (context) => {
    const opened = await open(context);
    const file = fileOf("birdstrikes.csv", readFileSync(opened.parts.samplePath("birdstrikes.csv")));
    const { sendFile } = opened.parts;

    const leaves = visit(opened, "Speed", "Leave");
    const left = await sendFile(leaves.session.remote, file);
    const stops = visit(opened, "Speed", "Stop");
    const stopped = sendFile(stops.session.remote, file);

    await expect(stopped).rejects.toMatchObject({ remote: true, code: "cancelled" });
    expect(left).toMatchObject({ rows: 10_000, rowsLeftOut: 2_836 });
    expect(leaves.questions[1]?.text).toContain("2,836 of 10,000 rows have no number as Speed");
  });

  it("says in words what is wrong with a file, and takes the next one", async (context) => {
    const opened = await open(context);
    const { session } = visit(opened);
    const wrong: readonly (readonly [string | Uint8Array, RegExp])[] = [
      ["", /is empty/],
      ['{"a": 1}', /line 1 begins like JSON/],
      ["one\ntwo\n", /line 1 has only one column/],
      ["a,b\n", /a header and no rows/],
      ['a,b\n1,2\n3,"4\n5,6\n', /line 4: a quotation mark is opened and never closed/],
      ["a,b,c\n1\n2\n3,4,5\n", /line 2 has 1 cell, the header has 3/],
      [Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0), /ZIP archive or an Excel workbook/],
      [new Uint8Array(200_000).fill(7).fill(0, 9), /not a text file/],
    ];
    for (const [content, words] of wrong) {
      const sent = opened.parts.sendFile(session.remote, fileOf("wrong.csv", content));
      await expect(sent).rejects.toMatchObject({ code: "not_csv", message: expect.stringMatching(words) });
    }
    await expect(opened.parts.sendFile(session.remote, fileOf("flowers.csv", FLOWERS))).resolves.toMatchObject({
      rows: 6,
    });
  });

  it("refuses a file that is too large before it is sent, and whoever sends it all the same", async (context) => {
    const opened = await open(context);
    const { session } = visit(opened);
    const huge = { name: "huge.csv", bytes: 200_000_000, read: () => Promise.reject(new Error("it was read")) };

    await expect(opened.parts.sendFile(session.remote, huge)).rejects.toThrow(/has 200 MB; the desk takes .* 64 MB/);
    await expect(session.remote.begin({ name: "huge.csv", bytes: huge.bytes })).rejects.toMatchObject({
      code: "too_large",
    });

    await session.remote.begin({ name: "liar.csv", bytes: 10 });
    const part = new TextEncoder().encode("a,b\n1,2\n3,4\n");
    await expect(session.remote.part(part)).rejects.toMatchObject({ code: "too_large" });
  });

  it("takes one file at a time from each client", async (context) => {
    const { session } = visit(await open(context));
    await session.remote.begin({ name: "one.csv", bytes: 10 });
    await expect(session.remote.begin({ name: "two.csv", bytes: 10 })).rejects.toMatchObject({ code: "busy" });
    await session.remote.stop();
    await session.remote.begin({ name: "two.csv", bytes: 10 });
  });

  it("serves several clients at once, and answers others while it reads", async (context) => {
    const opened = await open(context);
    const sample = readFileSync(opened.parts.samplePath("zipcodes.csv"));
    const bystander = visit(opened).session;
    await bystander.opened;
    let slowestMs = 0;
    let isDone = false;
    const asking = (async () => {
      while (!isDone) {
        const asked = performance.now();
        await bystander.remote.reopen("none");
        slowestMs = Math.max(slowestMs, performance.now() - asked);
      }
    })();

    const visits = [visit(opened, "map"), visit(opened, "state"), visit(opened, "state")];
    const reports = await Promise.all(
      visits.map(({ session }) => opened.parts.sendFile(session.remote, fileOf("zipcodes.csv", sample))),
    );
    isDone = true;
    await asking;

    expect(reports.map(({ title }) => title)).toEqual([
      "A map by latitude and longitude",
      "Rows by state",
      "Rows by state",
    ]);
    expect(new Set(reports.map(({ ticket }) => ticket)).size).toBe(3);
    expect(slowestMs).toBeLessThan(2_000);
  });

  it("opens a finished report again for a later session that has its ticket", async (context) => {
    const opened = await open(context);
    const first = visit(opened);
    const report = await opened.parts.sendFile(first.session.remote, fileOf("flowers.csv", FLOWERS));
    const html = await (await fetch(pageOf(report, first.session))).text();
    await first.session.close();

    const later = visit(opened).session;
    const reopened = await later.remote.reopen(report.ticket);

    expect(reopened).toEqual({ ...report, page: expect.any(String) });
    const page = await fetch(pageOf(reopened!, later));
    expect(page.url.startsWith(`${later.address.href}/report?`)).toBe(true);
    expect(later.address.href).not.toBe(first.session.address.href);
    expect(withoutLinks(await page.text())).toBe(withoutLinks(html));
    await expect(later.remote.reopen("another")).resolves.toBeUndefined();
  });

  it("says which port is taken", async (context) => {
    const { parts, desk } = await open(context);
    const port = Number(new URL(desk.pageHref).port);
    await expect(parts.openDesk({ host: "127.0.0.1", port })).rejects.toThrow(`Port ${port} of 127.0.0.1 is taken`);
  });
});

describe("desk command", { timeout: PREPARE_MS }, () => {
  it("writes the chart that comes back", async (context) => {
    const { parts, desk } = await open(context);
    const folder = mkdtempSync(join(tmpdir(), "duowire-desk-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const out = join(folder, "chart.svg");

    const { code, output } = await run(process.execPath, [parts.cli, "--sample", "-y", "-o", out, desk.address]);

    expect(output).toMatch(/At the desk: .*\/WAO\.n1\.[\s\S]*Sent and read 42,049 rows[\s\S]*Wrote .*chart\.svg/);
    expect(code).toBe(0);
    expect(readFileSync(out, "utf8")).toMatch(/^<svg /);
    expect(desk.server.sessions.size).toBe(0);
  });

  it("keeps the report's page open with --stay, until Ctrl-C", async (context) => {
    const { parts, desk } = await open(context);
    const out = join(mkdtempSync(join(tmpdir(), "duowire-desk-")), "chart.svg");
    onTestFinished(() => rmSync(dirname(out), { recursive: true }));
    let url: string | undefined;
    let seen: Promise<Response> | undefined;

    const { code, output } = await run(
      process.execPath,
      [parts.cli, "--sample", "-y", "--stay", "-o", out, desk.address],
      (kill, onOutput) =>
        onOutput((text) => {
          url = /The report as a page: (\S+)\s/.exec(text)?.[1];
          if (url === undefined || seen !== undefined) return;
          seen = fetch(url);
          seen.finally(() => kill("SIGINT"));
        }),
    );

    const page = await seen;
    expect(await page?.text()).toContain("<title>zipcodes.csv");
    expect(output).not.toContain("Stopped");
    expect(code).toBe(0);
    expect((await fetch(url ?? "")).status).toBe(410);
  });

  it("tells what is wrong, by words and exit code", async (context) => {
    const { parts, desk } = await open(context);
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["--sample", "-y", `${desk.pageHref}WRONG`], 1, /ends in \/WAO/],
      [["--sample", "-y", "nonsense"], 1, /Write it like http:/],
      [["no-such-file.csv", desk.address], 2, /There is no file no-such-file\.csv/],
      [[], 2, /Which file\?/],
      [["--sample", desk.address], 1, /there is no terminal: use --yes/],
      [[parts.cli, "-y", desk.address], 1, /cli\.js is not a CSV file|cli\.js cannot be read/],
    ];
    for (const [args, code, words] of cases) {
      const ran = await run(process.execPath, [parts.cli, ...args]);
      expect(ran.output).toMatch(words);
      expect(ran.code).toBe(code);
    }
  });

  it("gives up on a server that is not there, and on one that goes away", async (context) => {
    const { parts, desk } = await open(context);
    const sample = parts.samplePath("zipcodes.csv");
    // Nobody answers, so the desk waits for the answer while it is closed.
    const left = await run(process.execPath, [parts.cli, sample, "-a", "map", desk.address], (_kill, onOutput) =>
      onOutput((text) => text.includes("At the desk") && void desk.close()),
    );
    const gone = await run(process.execPath, [parts.cli, sample, "-y", desk.address]);

    expect(left).toMatchObject({ code: 1, output: expect.stringMatching(/The server was closed/) });
    expect(gone).toMatchObject({ code: 1, output: expect.stringMatching(/Nobody answers[\s\S]*npm start/) });
  });

  it("ends its session on Ctrl-C", async (context) => {
    const { parts, desk } = await open(context);
    const { code, output } = await run(
      process.execPath,
      [parts.cli, "--sample", "-y", desk.address],
      (kill, onOutput) => {
        let isStopped = false;
        onOutput((text) => {
          // A second one would not wait for the session.
          if (isStopped || !text.includes("At the desk")) return;
          isStopped = true;
          kill("SIGINT");
        });
      },
    );
    expect(output).toContain("Stopped; nothing is kept.");
    expect(code).toBe(130);
    expect(desk.server.sessions.size).toBe(0);
  });
});
