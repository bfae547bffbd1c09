import { expect, test } from "vitest";
import { LEASE_MS, SessionEnd, welcomeFrame } from "./support.js";

const REFUSED = { type: "refused", code: "server_busy", message: "status 500" } as const;

test("refusals renew no lease: a proxy may give them for a session that is long gone", () => {
  const end = new SessionEnd("client");
  end.attach(1);
  end.receive(1, welcomeFrame(1));
  end.session.linkClosed(1);
  for (let link = 2; link < 100 && end.session.state !== "closed"; link++) {
    end.attach(link);
    end.receive(link, REFUSED);
    end.pass(1_000);
  }
  expect(end.session.state).toBe("closed");
  expect(end.session.reason?.code).toBe("lease_expired");
  expect(end.now).toBeLessThanOrEqual(LEASE_MS + 1_000);
});
