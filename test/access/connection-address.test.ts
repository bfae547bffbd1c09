import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConnectionAddress, isIdentification, LocalAddress } from "../../src/access/connection-address.js";

interface AddressVector {
  readonly address: string;
  readonly href?: string;
  readonly firstAccessHref?: string;
  readonly webSocketHref?: string;
  readonly inherited?: string;
  readonly error?: string;
}
const vectors = JSON.parse(readFileSync(new URL("../../spec/vectors/access.json", import.meta.url), "utf8")) as {
  addresses: AddressVector[];
  locations: { location: string; inherited?: string; error?: string }[];
};

test.each(vectors.addresses)(
  "parse $address",
  ({ address, href, firstAccessHref, webSocketHref, inherited, error }) => {
    if (error !== undefined) {
      expect(() => ConnectionAddress.parse(address)).toThrow(expect.objectContaining({ code: error }));
      return;
    }
    const parsed = ConnectionAddress.parse(address);
    expect(parsed.href).toBe(href);
    expect(parsed.firstAccessHref).toBe(firstAccessHref ?? href);
    if (webSocketHref !== undefined) expect(parsed.webSocketHref).toBe(webSocketHref);
    expect(parsed.inherit("WAO1").href).toBe(inherited);
    // What a browser makes of the relative Location is the same address.
    expect(new URL("WAO1", parsed.firstAccessHref).href).toBe(inherited);
  },
);

test.each(vectors.locations)("inherit $location", ({ location, inherited, error }) => {
  const address = ConnectionAddress.parse("https://h.example/apps/duo/WAO?tenant=3");
  if (error !== undefined) {
    expect(() => address.inherit(location)).toThrow(expect.objectContaining({ code: error }));
  } else {
    expect(address.inherit(location).firstAccessHref).toBe(inherited);
  }
});

test("inherit the figures' addresses on both sides of the NAT", () => {
  const client = ConnectionAddress.parse("http://211.11.110.15/WAO:9000");
  expect(client.href).toBe("http://211.11.110.15:9000/WAO");
  const server = new LocalAddress("192.168.1.1", 9000, "WAO");
  expect(server.toString()).toBe("192.168.1.1:9000/WAO");
  expect(["WAO1", "WAO2", "WAO3"].map((id) => server.generate(id).toString())).toEqual([
    "192.168.1.1:9000/WAO1",
    "192.168.1.1:9000/WAO2",
    "192.168.1.1:9000/WAO3",
  ]);
  expect(client.inherit("WAO1").href).toBe("http://211.11.110.15:9000/WAO1");
  expect(client.inherit("WAO2").href).toBe("http://211.11.110.15:9000/WAO2");
});

test("inherit without a Location says what is missing", () => {
  const address = ConnectionAddress.parse("http://h/WAO");
  expect(() => address.inherit(null)).toThrow(expect.objectContaining({ code: "not_duowire" }));
});

test("parse says what was found and what is expected, and never repeats a password", () => {
  expect(() => ConnectionAddress.parse("ftp://h/WAO")).toThrow(
    'the address "ftp://h/WAO" has the scheme ftp, which is not http, https, ws or wss; expected an address such as http://host:9000/WAO',
  );
  expect(() => ConnectionAddress.parse("http://ada:secret@h/WAO")).toThrow(/^(?!.*secret).*$/);
});

test("parse takes a URL, and an address is itself in JSON and in text", () => {
  const address = ConnectionAddress.parse(new URL("http://h:9000/WAO?a=1#top"));
  expect([String(address), JSON.stringify({ address })]).toEqual([
    "http://h:9000/WAO",
    '{"address":"http://h:9000/WAO"}',
  ]);
  expect([address.doorHref, address.port, address.host, address.prefix, address.id, address.query]).toEqual([
    "http://h:9000/WAO/door",
    9000,
    "h",
    "",
    "WAO",
    "?a=1",
  ]);
});

test("LocalAddress writes IPv6 in brackets, and the address exactly as the socket has it", () => {
  expect(new LocalAddress("::1", 9000, "WAO").generate("WAO1").toString()).toBe("[::1]:9000/WAO1");
  expect(String(new LocalAddress("::ffff:10.0.0.1", 80, "WAO"))).toBe("[::ffff:10.0.0.1]:80/WAO");
});

const identification = fc
  .string({ unit: fc.constantFrom(..."ABZabz019._~-"), minLength: 1, maxLength: 40 })
  .filter((id) => id !== "." && id !== "..");
const host = fc.oneof(
  fc.domain(),
  fc.ipV4(),
  fc.ipV6().map((ip) => `[${ip}]`),
);
const written = fc
  .record({
    scheme: fc.constantFrom("http", "https", "ws", "wss"),
    host,
    port: fc.option(fc.integer({ min: 0, max: 65_535 })),
    prefix: fc.array(identification, { maxLength: 3 }),
    id: fc.option(identification),
    isOldSpelling: fc.boolean(),
    slash: fc.constantFrom("", "/"),
    query: fc.constantFrom("", "?a=1", "?"),
    fragment: fc.constantFrom("", "#top"),
  })
  .map((one) => {
    const { id } = one;
    const port = one.port === null ? "" : `:${one.port}`;
    if (id === null) return `${one.scheme}://${one.host}${port}${one.slash}${one.query}${one.fragment}`;
    const [inFront, behind] = one.isOldSpelling ? ["", port] : [port, ""];
    const path = [...one.prefix, id].join("/");
    return `${one.scheme}://${one.host}${inFront}/${path}${behind}${one.slash}${one.query}${one.fragment}`;
  });

test("parse of href is stable, and inherit gives back", () => {
  fc.assert(
    fc.property(written, identification, (text, id) => {
      const address = ConnectionAddress.parse(text);
      expect(ConnectionAddress.parse(address.href).href).toBe(address.href);
      const inherited = address.inherit(id);
      expect(ConnectionAddress.parse(inherited.href)).toEqual(inherited);
      expect(new URL(id, address.href).href).toBe(inherited.href);
      const { scheme, host, port, prefix } = inherited;
      expect({ scheme, host, port, prefix }).toMatchObject({ scheme: address.scheme, host: address.host });
      expect([port, prefix]).toEqual([address.port, address.prefix]);
      if (address.id !== "") expect(inherited.inherit(address.id).href).toBe(address.href);
    }),
  );
});

test("parse throws nothing but bad_address, whatever the text", () => {
  const junk = fc.oneof(
    fc.string(),
    fc.webUrl({ withFragments: true, withQueryParameters: true }),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(junk, (text) => {
      try {
        const address = ConnectionAddress.parse(text);
        expect(ConnectionAddress.parse(address.href).href).toBe(address.href);
      } catch (error) {
        expect(error).toMatchObject({ code: "bad_address" });
      }
    }),
  );
});

test("inherit takes nothing that a URL parser would read as more than one step", () => {
  const base = ConnectionAddress.parse("http://h:9000/apps/WAO");
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), (text) => {
      if (!isIdentification(text)) expect(() => base.inherit(text)).toThrow();
      else expect(new URL(text, base.href).href).toBe(`http://h:9000/apps/${text}`);
    }),
  );
});
