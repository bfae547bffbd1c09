// A middlebox that does not understand WebSocket and says nothing about it: requests for an upgrade vanish, or all
// frames after it do. Plain HTTP passes. Usage: swallower.mjs upgrades|frames PORT HOST:PORT
import { connect, createServer } from "node:net";

const [what, port, target = ""] = process.argv.slice(2);
const [host, targetPort] = target.split(":");
const UPGRADE = /^upgrade: *websocket\r?$/im;
const SWITCHED = /^HTTP\/1\.1 101 /;

createServer((client) => {
  const server = connect(Number(targetPort), host);
  let swallows = false;
  client.on("data", (octets) => {
    if (swallows) return;
    swallows = what === "upgrades" && UPGRADE.test(octets.toString("latin1"));
    if (!swallows) server.write(octets);
  });
  server.on("data", (octets) => {
    if (swallows) return;
    if (what !== "frames" || !SWITCHED.test(octets.toString("latin1"))) {
      client.write(octets);
      return;
    }
    swallows = true;
    const text = octets.toString("latin1");
    // The answer itself passes, a frame in the same packet does not.
    client.write(octets.subarray(0, text.indexOf("\r\n\r\n") + 4));
  });
  pass(client, server);
  pass(server, client);
}).listen(Number(port));

/**
 * @param {import("node:net").Socket} one
 * @param {import("node:net").Socket} other Ends when `one` does.
 */
function pass(one, other) {
  one.on("end", () => other.end());
  one.on("error", () => other.destroy());
  one.on("close", () => other.destroy());
}
