/** Opens the desk and says where: `node dist/main.js`, with PORT and HOST from the environment. */
import { fileURLToPath } from "node:url";
import { openDesk } from "./server.js";

/** Opens the desk, prints where, and closes it on Ctrl-C. Sets the exit code when it cannot listen. */
export async function main(command = "node dist/cli.js"): Promise<void> {
  const { PORT = "9000", HOST = "127.0.0.1" } = process.env;
  const port = Number(PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return fail(`PORT is ${JSON.stringify(PORT)}; it should be a number from 0 to 65535.`);
  }
  const desk = await openDesk({ host: HOST, port }).catch((error: Error) => error);
  if (desk instanceof Error) return fail(desk.message);
  console.log(`
  The desk is open.
  In a browser:       ${desk.pageHref}
  In a second shell:  ${command} --sample${desk.address.endsWith(":9000/WAO") ? "" : ` ${desk.address}`}
  Programs connect to ${desk.address}
  Ctrl-C closes it.
`);
  let isClosing = false;
  const close = () => {
    // The second Ctrl-C does not wait.
    if (isClosing) process.exit(1);
    isClosing = true;
    void desk.close().then(() => process.exit(0));
  };
  process.on("SIGINT", close).on("SIGTERM", close);
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
