import { expect, test } from "vitest";
import { alwaysGranted, SharedClaim, sharedParking, type TabChannel } from "../../src/link/parking.js";
import { VirtualClock } from "../../src/testing/index.js";

/** Tabs of one browser: each has a page, and a channel to the others. */
class Tabs {
  readonly clock = new VirtualClock();
  private readonly channels = new Set<TabChannel>();

  open() {
    const page = Object.assign(new EventTarget(), { hidden: false });
    const changes: boolean[] = [];
    const channel = this.channel();
    const claim = new SharedClaim(channel, this.clock, page as unknown as Document, () =>
      changes.push(claim.isGranted),
    );
    const show = (isHidden: boolean) => {
      page.hidden = isHidden;
      page.dispatchEvent(new Event("visibilitychange"));
      return this.clock.settle();
    };
    return { claim, changes, show };
  }

  async openInTurn(count: number) {
    const tabs = [];
    for (let n = 0; n < count; n++) {
      tabs.push(this.open());
      await this.clock.advance(200);
    }
    return tabs;
  }

  private channel(): TabChannel {
    const postMessage = (data: unknown) => {
      const others = [...this.channels].filter((other) => other !== channel);
      this.clock.atTurnEnd(() => {
        for (const other of others)
          other.onmessage?.call({} as BroadcastChannel, { data: structuredClone(data) } as MessageEvent);
      });
    };
    const channel: TabChannel = { onmessage: null, postMessage, close: () => void this.channels.delete(channel) };
    this.channels.add(channel);
    return channel;
  }
}

const granted = (tabs: readonly { claim: SharedClaim }[]) => tabs.map(({ claim }) => claim.isGranted);

test("SharedClaim grants three places, to who was there first", async () => {
  const tabs = new Tabs();
  const all = await tabs.openInTurn(5);
  expect(granted(all)).toEqual([true, true, true, false, false]);
  // Nobody was asked to leave for somebody who came later.
  expect(all.map(({ changes }) => changes)).toEqual([[true], [true], [true], [], []]);
});

test("SharedClaim grants three places to eight tabs of one moment, and none before the others could answer", async () => {
  const tabs = new Tabs();
  const all = Array.from({ length: 8 }, () => tabs.open());
  await tabs.clock.advance(90);
  expect(granted(all)).toEqual(Array(8).fill(false));
  await tabs.clock.advance(20);
  expect(granted(all).filter(Boolean)).toHaveLength(3);
});

test("SharedClaim passes a place on when its link is dead", async () => {
  const tabs = new Tabs();
  const all = await tabs.openInTurn(5);
  all[1]?.claim.release();
  await tabs.clock.settle();
  expect(granted(all.filter((_, index) => index !== 1))).toEqual([true, true, true, false]);
});

test("SharedClaim lets visible tabs come before hidden ones, and back", async () => {
  const tabs = new Tabs();
  const all = await tabs.openInTurn(4);
  await all[0]?.show(true);
  await tabs.clock.settle();
  expect(granted(all)).toEqual([false, true, true, true]);
  await all[0]?.show(false);
  await tabs.clock.settle();
  expect(granted(all)).toEqual([true, true, true, false]);
});

test("SharedClaim forgets a tab that died without a word after 90 s, and keeps one that is there", async () => {
  const tabs = new Tabs();
  const [dead] = await tabs.openInTurn(1);
  const mute = dead?.claim as unknown as { cancelRepeat(): void };
  const others = await tabs.openInTurn(3);
  mute.cancelRepeat();
  await tabs.clock.advance(60_000);
  expect(granted(others)).toEqual([true, true, false]);
  await tabs.clock.advance(60_000);
  expect(granted(others)).toEqual([true, true, true]);
  await tabs.clock.advance(600_000);
  expect(granted(others)).toEqual([true, true, true]);
  expect(others.map(({ changes }) => changes)).toEqual([[true], [true], [true]]);
});

test("sharedParking grants each link its place where there is no page", () => {
  expect(sharedParking(() => {}).isGranted).toBe(true);
  expect(alwaysGranted(() => {}).isGranted).toBe(true);
});
