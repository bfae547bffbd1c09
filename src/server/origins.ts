/**
 * Who may send requests here, decided from the head alone and before anything is allocated (D28). A browser names the
 * origin of the page that sends; a program that is no browser names none, and is let in: its key decides.
 */
import type { IncomingHttpHeaders } from "node:http";
import { DuowireError } from "../base/errors.js";

/** What the rule needs to know of the server. */
export interface OriginRule {
  readonly origins: readonly string[];
  readonly hosts: readonly string[] | undefined;
  readonly trustProxy: boolean;
  /** Whether the server listens on the loopback interface only. */
  readonly onLoopback: boolean;
  /** Whether the request came over TLS that ends here. */
  readonly encrypted: boolean;
}

/**
 * Throws `host_refused` or `origin_refused` for a request that is not let in. Returns the origin when it is one of
 * `origins`: a page elsewhere, which needs the headers of CORS to read the answer.
 */
export function checkOrigin(headers: IncomingHttpHeaders, rule: OriginRule): string | undefined {
  const host = seenHost(headers, rule.trustProxy);
  checkHost(host, rule);
  const { origin } = headers;
  if (origin === undefined) return undefined;
  if (rule.origins.includes(origin)) return origin;
  if (origin !== "null") {
    if (headers["sec-fetch-site"] === "same-origin") return undefined;
    if (isSameOrigin(origin, host, headers, rule)) return undefined;
  }
  throw new DuowireError("origin_refused", originAdvice(origin, host, rule.trustProxy));
}

/** Whether the client's own connection is encrypted, as far as this server can know. */
export function isSecure(headers: IncomingHttpHeaders, rule: Pick<OriginRule, "trustProxy" | "encrypted">): boolean {
  return rule.encrypted || (rule.trustProxy && lastValue(headers["x-forwarded-proto"])?.toLowerCase() === "https");
}

/** The last value of a header that each proxy appends to: the one that the nearest proxy wrote. */
export function lastValue(header: string | string[] | undefined): string | undefined {
  const last = (Array.isArray(header) ? header.at(-1) : header)?.split(",").at(-1)?.trim();
  return last === "" ? undefined : last;
}

/** Somebody else's text for a message or an event: printable, in quotes, and not without end. */
export function shown(text: string | undefined): string {
  if (text === undefined) return "nothing";
  // JSON escapes what is below space; the rest of what moves a terminal's cursor is escaped here.
  const escaped = JSON.stringify(text.slice(0, 200)).replace(/[\u007f-\u009f\u2028-\u202e]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return escaped;
}

function seenHost(headers: IncomingHttpHeaders, trustProxy: boolean): string | undefined {
  const forwarded = trustProxy ? lastValue(headers["x-forwarded-host"]) : undefined;
  return (forwarded ?? headers.host)?.toLowerCase();
}

/** A foreign Host on loopback is a page whose name was turned to this machine (DNS rebinding). */
function checkHost(host: string | undefined, { hosts, onLoopback, trustProxy }: OriginRule): void {
  if (host === undefined) return;
  const name = hostName(host);
  if (hosts !== undefined) {
    if (hosts.includes(host) || hosts.includes(name)) return;
    throw new DuowireError("host_refused", `the request names the host ${shown(host)}, which is not one of hosts`);
  }
  if (!onLoopback || trustProxy || isLoopbackName(name)) return;
  const what = `the request names the host ${shown(host)}, but this server listens on loopback only`;
  throw new DuowireError("host_refused", `${what}; list the name in hosts, or set trustProxy if a proxy is in front`);
}

function isSameOrigin(
  origin: string,
  host: string | undefined,
  headers: IncomingHttpHeaders,
  rule: OriginRule,
): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  // Who ends the TLS knows the scheme. Without that knowledge the host must do: a proxy may have ended it.
  const forwardedProto = rule.trustProxy ? lastValue(headers["x-forwarded-proto"]) : undefined;
  const scheme = rule.encrypted ? "https" : forwardedProto?.toLowerCase();
  if (scheme !== undefined && page.protocol !== `${scheme}:`) return false;
  // Comparing through URL drops the default port of the page's scheme on both sides; compared whole, never by suffix.
  const own = `${page.protocol}//${host}`;
  return (
    URL.canParse(own) && /^[^/?#@\\]+$/.test(host) && page.origin === origin && new URL(own).origin === page.origin
  );
}

function originAdvice(origin: string, host: string | undefined, trustProxy: boolean): string {
  const values = `the page's origin is ${shown(origin)}, but the request was sent to the host ${shown(host)}`;
  const proxy = trustProxy
    ? "if it is this server's own page, make the proxy send X-Forwarded-Host as the browser's Host"
    : "if a proxy is in front of this server's own page, set trustProxy and make it send X-Forwarded-Host";
  return `${values}; if the page may use this server, list its origin in origins; ${proxy}`;
}

function hostName(host: string): string {
  return host.replace(/:\d*$/, "");
}

function isLoopbackName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(name);
}
