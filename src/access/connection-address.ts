/**
 * The connection address: IP address or host name, port, and an identification.
 *
 * The invention is one line, {@link ConnectionAddress.inherit}: the new address is the one that the client itself used,
 * with only the identification exchanged. So it is right on both sides of every NAT, port forward and proxy, and the
 * server need not know how it is seen from outside. {@link LocalAddress} is the same step on the server's side.
 */
import { DuowireError } from "../base/errors.js";

/** The two ways that the wire travels. */
export type AddressScheme = "http" | "https";

const schemes = new Map<string, AddressScheme>([
  ["http", "http"],
  ["https", "https"],
  ["ws", "http"],
  ["wss", "https"],
]);
const defaultPorts: Record<AddressScheme, number> = { http: 80, https: 443 };

const EXPECTED = "expected an address such as http://host:9000/WAO";
const IDENTIFICATION = /^[A-Za-z0-9._~-]{1,256}$/;
/** Scheme, authority, path, query, fragment: each part is what the next delimiter leaves, so nothing backtracks. */
const ADDRESS = /^([A-Za-z]+):\/\/([^/?#]+)([^?#]*)(\?[^#]*)?(?:#.*)?$/;
const UNWRITABLE = /[\p{Cc}\s\\{}|^`<>"]/u;

/**
 * Whether `text` can stand as the identification in an address: letters, digits and `-._~`, so neither ":" nor "/",
 * nothing that a URL parser would change, and one spelling only.
 */
export function isIdentification(text: string): boolean {
  return IDENTIFICATION.test(text) && text !== "." && text !== "..";
}

/** Where a server's fixed address or one communication process is reached. Immutable. */
export class ConnectionAddress {
  private constructor(
    /** `http` or `https`. */
    readonly scheme: AddressScheme,
    /** The host as a URL has it: lower case, IPv6 in brackets. */
    readonly host: string,
    /** The port; the scheme's default when the address names none. */
    readonly port: number,
    /** The path before the identification: `""`, or such as `/apps/duo`. */
    readonly prefix: string,
    /** The identification, such as `WAO`; `""` for the access with the IP address alone. */
    readonly id: string,
    /** The query of the fixed address, such as `?tenant=3`, or `""`. Goes with the first access only. */
    readonly query: string,
  ) {}

  /**
   * Reads an address as a person or a program writes it: `http://h:9000/WAO`, the source's `http://h/WAO:9000`, without
   * a port, without an identification, behind a path prefix. `ws` and `wss` stand for `http` and `https`. A
   * trailing slash and a fragment are dropped. Throws `bad_address`, which says what was found and what is expected.
   */
  static parse(address: string | URL): ConnectionAddress {
    const text = String(address);
    if (UNWRITABLE.test(text)) throw unreadable(text, "white space or a character in it that no URL has");
    const [, schemeText, authority, path, query = ""] = ADDRESS.exec(text) ?? [];
    if (schemeText === undefined || authority === undefined || path === undefined) {
      throw unreadable(text, "no scheme and host");
    }
    const scheme = schemes.get(schemeText.toLowerCase());
    if (scheme === undefined) throw unreadable(text, `the scheme ${schemeText}, which is not http, https, ws or wss`);
    // A password must not reach an error text, so this one does not repeat the address.
    if (authority.includes("@")) throw new DuowireError("bad_address", `an address names no user; ${EXPECTED}`);
    if (authority.endsWith(":")) throw unreadable(text, "a colon without a port");
    if (path.includes("//")) throw unreadable(text, "an empty step in its path");
    const { bare, port } = splitPort(text, path);
    const url = readUrl(text, `${scheme}://${authority}${bare}`);
    const authorityPort = /:(\d+)$/.exec(authority)?.[1];
    if (port !== undefined && authorityPort !== undefined && Number(authorityPort) !== port) {
      throw unreadable(text, `two ports that differ, ${authorityPort} and ${port}`);
    }
    const { prefix, id } = splitPath(text, url.pathname);
    const effective = port ?? (url.port === "" ? defaultPorts[scheme] : Number(url.port));
    return new ConnectionAddress(scheme, url.hostname, effective, prefix, id, query === "?" ? "" : query);
  }

  /**
   * The new address: this one, with only the identification exchanged. `location` is the server's notification, a bare
   * identification; anything more (a path, another host, a query) throws `not_duowire`.
   */
  inherit(location: string | null): ConnectionAddress {
    if (location === null || !isIdentification(location)) throw notNotified(location);
    return new ConnectionAddress(this.scheme, this.host, this.port, this.prefix, location, "");
  }

  /** Host and port as a URL writes them: the port only when it is not the scheme's default. */
  get authority(): string {
    return this.port === defaultPorts[this.scheme] ? this.host : `${this.host}:${this.port}`;
  }

  /** The address without its query: what a person is shown, and what `parse` reads back. */
  get href(): string {
    return `${this.scheme}://${this.authority}${this.prefix}/${this.id}`;
  }

  /** Where the first access goes: with the query. */
  get firstAccessHref(): string {
    return this.href + this.query;
  }

  /** The address for a WebSocket. */
  get webSocketHref(): string {
    return `${this.scheme === "http" ? "ws" : "wss"}${this.href.slice(this.scheme.length)}`;
  }

  /** Where the cookie that opens a process's hypertext is asked for (D26). */
  get doorHref(): string {
    return `${this.href}/door`;
  }

  toString(): string {
    return this.href;
  }

  toJSON(): string {
    return this.href;
  }
}

/**
 * An address as it arrived at the server's socket, after any NAT in front of it: `192.168.1.1:9000/WAO`. The server
 * only records it; it is never told to the client.
 */
export class LocalAddress {
  constructor(
    /** The IP address of the server's end of the socket, exactly as the socket has it. */
    readonly ip: string,
    readonly port: number,
    readonly id: string,
  ) {}

  /** Part 22 of the source: IP address and port are kept exactly as they arrived, only the identification is new. */
  generate(id: string): LocalAddress {
    return new LocalAddress(this.ip, this.port, id);
  }

  toString(): string {
    return `${this.ip.includes(":") ? `[${this.ip}]` : this.ip}:${this.port}/${this.id}`;
  }
}

/** Takes a trailing slash and the source's `:9000` off the end of a path. */
function splitPort(text: string, path: string): { bare: string; port: number | undefined } {
  const bare = path.endsWith("/") ? path.slice(0, -1) : path;
  const colon = bare.lastIndexOf(":");
  if (colon <= bare.lastIndexOf("/")) return { bare, port: undefined };
  const digits = bare.slice(colon + 1);
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port > 65_535) throw unreadable(text, `"${digits}" where a port should be`);
  if (bare[colon - 1] === "/") throw unreadable(text, "a port after the slash, but no identification before it");
  return { bare: bare.slice(0, colon), port };
}

function readUrl(text: string, href: string): URL {
  try {
    return new URL(href);
  } catch {
    throw unreadable(text, "a host or a port that is none");
  }
}

function splitPath(text: string, pathname: string): { prefix: string; id: string } {
  if (pathname === "/") return { prefix: "", id: "" };
  const slash = pathname.lastIndexOf("/");
  const id = pathname.slice(slash + 1);
  if (!isIdentification(id)) {
    throw unreadable(text, `the identification "${id}", where letters, digits and -._~ are allowed`);
  }
  return { prefix: pathname.slice(0, slash), id };
}

function unreadable(text: string, found: string): DuowireError {
  return new DuowireError("bad_address", `the address ${shown(text)} has ${found}; ${EXPECTED}`);
}

function notNotified(location: string | null): DuowireError {
  const found = location === null ? "no Location" : `the Location ${shown(location)}`;
  return new DuowireError("not_duowire", `the answer has ${found}; expected a bare identification such as WAO.n1.k3J9`);
}

/** Somebody else's text in a message: escaped, and not without end. */
function shown(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
