/** nginx on a free port of loopback, for one test. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { unusedPort } from "./faulty-proxy.js";

/** What an nginx serves with. */
export interface NginxOptions {
  /** With a certificate for `localhost`, made for the test by openssl. */
  readonly tls?: boolean;
}

/** Starts nginx with one `server` block of these directives, besides `listen`; resolves with its port when it listens. */
export async function startNginx(directives: string, { tls = false }: NginxOptions = {}): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "duowire-nginx-"));
  if (tls) makeCertificate(folder);
  const secure = tls ? `ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem` : "";
  const port = await unusedPort();
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder};`);
  const config = `
    daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
    events {}
    http {
      access_log off; ${paths.join(" ")}
      server { listen 127.0.0.1:${port} ${secure}; ${directives} }
    }`;
  writeFileSync(join(folder, "nginx.conf"), config);
  const nginx = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: "ignore" });
  onTestFinished(async () => {
    const ended = once(nginx, "exit");
    nginx.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  await expect.poll(() => listens(port), { timeout: 10_000 }).toBe(true);
  return port;
}

function makeCertificate(folder: string): void {
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"];
  execFileSync("openssl", [...request, ...files, ...subject], { stdio: "ignore" });
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
