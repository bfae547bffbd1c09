import { describe, expect, test } from "vitest";
import { ConnectionAddress } from "../../src/access/connection-address.js";
import { linkChoices, platformNetwork } from "../../src/client/network.js";
import { octets } from "../session/support.js";

// Nothing listens at this port, and nothing has to: a link of requests sends nothing before it is given something.
const address = ConnectionAddress.parse("http://127.0.0.1:1/WAO");
const key = octets(32);

describe("platformNetwork", () => {
  test.each([
    [linkChoices, ["http-exchange"], "http-exchange", "http-exchange"],
    [["http-exchange"] as const, ["websocket", "http-exchange"], "http-exchange", "http-exchange"],
    [["websocket"] as const, ["http-exchange"], "access", "access"],
    [linkChoices, [], "access", "access"],
  ])("allows %j where the server offers %j", (links, offered, best, asked) => {
    const network = platformNetwork(address, links);
    expect(network.open("WAO.1", "1.token", key, offered).kind).toBe(best);
    expect(network.ask("WAO.1", key, false, offered).kind).toBe(asked);
  });

  test("upgrades where the server offers it, and asks by one request where it offers nothing else", async () => {
    const network = platformNetwork(address, linkChoices);
    const upgrade = network.open("WAO.1", "1.token", key, ["websocket"]);
    expect(upgrade.kind).toBe("websocket");
    await new Promise<void>((resolve) => {
      upgrade.listen({ opened() {}, receive() {}, closed: () => resolve() });
    });
    expect(network.ask("WAO.1", key, false, ["websocket"]).kind).toBe("access");
  });
});
