/** nginx on a free port of loopback, for one test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { unusedPort } from "./faulty-proxy.js";

/** Starts nginx with one `server` block of these directives, besides `listen`; resolves with its port when it listens. */
export async function startPlainNginx(directives: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "duowire-nginx-"));
  const port = await unusedPort();
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder};`);
  const config = `
    daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
    events {}
    http {
      access_log off; ${paths.join(" ")}
      server { listen 127.0.0.1:${port}; ${directives} }
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
