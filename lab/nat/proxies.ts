/** Middleboxes in front of the server: real ones in their usual configuration, and one of ours that swallows. */
import { spawnSync } from "node:child_process";
import { labDirectory, labEnvironment } from "./holder.js";
import type { Lab } from "./lab.js";
import { PROXY_PORT, SERVER_LOCAL_ADDRESS, SERVER_PORT, serverRouter } from "./topology.js";

/** A middlebox: what it needs to be installed, and the command that runs it in the foreground. */
export interface Proxy {
  readonly help: string;
  readonly program: "haproxy" | "nginx" | "node";
  readonly command: (lab: Lab) => string[];
}

const SERVER = `${SERVER_LOCAL_ADDRESS}:${SERVER_PORT}`;

/** Every middlebox by name. */
export const PROXIES: Readonly<Record<string, Proxy>> = {
  haproxy: {
    help: "HAProxy that lets everything through",
    program: "haproxy",
    command: (lab) => haproxy(lab, ""),
  },
  "refuse-upgrade": {
    help: "HAProxy that answers 403 to every upgrade",
    program: "haproxy",
    command: (lab) => haproxy(lab, "http-request deny deny_status 403 if { req.hdr(upgrade) -m found }"),
  },
  "strip-upgrade": {
    help: "HAProxy that takes the upgrade out of the request, as a proxy that knows only HTTP does",
    program: "haproxy",
    command: (lab) => haproxy(lab, "http-request del-header upgrade"),
  },
  "short-tunnel": {
    help: "HAProxy that ends a WebSocket after two seconds without a frame",
    program: "haproxy",
    command: (lab) => haproxy(lab, "", "2s"),
  },
  "buffer-answers": {
    help: "nginx as it comes: HTTP/1.0 to the server, no upgrade, answers held back until they are whole",
    program: "nginx",
    command: (lab) => ["nginx", "-p", lab.directory, "-c", lab.writeFile("nginx.conf", nginxConfiguration(lab))],
  },
  "black-hole-upgrade": {
    help: "swallows every request for an upgrade, and all that follows on its connection",
    program: "node",
    command: () => swallower("upgrades"),
  },
  "black-hole-frames": {
    help: "lets the upgrade succeed and swallows every WebSocket frame after it",
    program: "node",
    command: () => swallower("frames"),
  },
};

/** Why a proxy cannot run here, or undefined if it can. */
export function whyNoProxy(kind: string): string | undefined {
  const { program } = proxyNamed(kind);
  const found = spawnSync("sh", ["-c", `command -v ${program}`], { env: labEnvironment });
  return found.status === 0 ? undefined : `${program} is not installed`;
}

/** Starts a proxy on router 50, after ending the one that ran there; it listens when this returns. */
export async function startProxy(lab: Lab, kind: string): Promise<void> {
  const proxy = proxyNamed(kind);
  await lab.signal(serverRouter.name, "KILL");
  lab.spawnDetached(serverRouter.name, proxy.command(lab), "proxy.log");
  const isListening = `ss -Hltn 'sport = :${PROXY_PORT}' | grep -q .`;
  const listens = `for i in $(seq 100); do ${isListening} && exit 0; sleep 0.05; done; exit 1`;
  await lab.run(serverRouter.name, ["sh", "-c", listens]);
}

function proxyNamed(kind: string): Proxy {
  const proxy = PROXIES[kind];
  if (!proxy) throw new Error(`no proxy is named ${kind}; there are ${Object.keys(PROXIES).join(", ")}`);
  return proxy;
}

function haproxy(lab: Lab, rule: string, tunnel = "1h"): string[] {
  const text = `
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel ${tunnel}
frontend public
  bind :${PROXY_PORT}
  ${rule}
  default_backend server
backend server
  server one ${SERVER}
`;
  return ["haproxy", "-db", "-f", lab.writeFile("haproxy.cfg", text)];
}

/** As a beginner writes it: proxy_pass and nothing else. One process and one user: the lab's namespace has no other. */
function nginxConfiguration(lab: Lab): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
user root;
master_process off;
daemon off;
pid ${lab.directory}/nginx.pid;
error_log ${lab.directory}/nginx.log;
events {}
http {
  access_log off;
${paths.map((name) => `  ${name}_temp_path ${lab.directory}/nginx-${name};`).join("\n")}
  server {
    listen ${PROXY_PORT};
    location / { proxy_pass http://${SERVER}; }
  }
}
`;
}

function swallower(what: string): string[] {
  return [process.execPath, `${labDirectory}swallower.mjs`, what, String(PROXY_PORT), SERVER];
}
