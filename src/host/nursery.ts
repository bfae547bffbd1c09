/** Where a host's carriers come from: started when they are needed, ended when their last session is over. */
import type { Carrier, Nursery } from "./carrier.js";

/** How long a carrier may take to leave in good order. */
const LEAVE_MS_MAX = 2_000;

/** A nursery: with `pool`, so many carriers are shared; without, each session has its own. */
export function nurseryOf(start: () => Carrier, pool: number | undefined): Nursery {
  return pool === undefined ? new SingleNursery(start) : new SharedNursery(start, pool);
}

class SingleNursery implements Nursery {
  constructor(private readonly start: () => Carrier) {}

  take(): Promise<Carrier> {
    return startReady(this.start);
  }

  release(carrier: Carrier): void {
    void leave(carrier);
  }

  async close(): Promise<void> {}
}

interface Place {
  carrier: Promise<Carrier> | undefined;
  sessions: number;
}

class SharedNursery implements Nursery {
  private readonly places: Place[];

  constructor(
    private readonly start: () => Carrier,
    pool: number,
  ) {
    this.places = Array.from({ length: pool }, () => ({ carrier: undefined, sessions: 0 }));
  }

  async take(): Promise<Carrier> {
    const place = this.places.reduce((least, one) => (one.sessions < least.sessions ? one : least));
    place.sessions += 1;
    place.carrier ??= this.fill(place);
    return place.carrier;
  }

  release(carrier: Carrier): void {
    for (const place of this.places) {
      void place.carrier?.then((one) => {
        if (one === carrier) place.sessions -= 1;
      });
    }
  }

  async close(): Promise<void> {
    const carriers = this.places.map(({ carrier }) => carrier);
    for (const place of this.places) this.empty(place);
    await Promise.all(carriers.map(async (carrier) => carrier && leave(await carrier)));
  }

  private fill(place: Place): Promise<Carrier> {
    const carrier = startReady(this.start);
    const gone = () => {
      if (place.carrier === carrier) this.empty(place);
    };
    carrier.then(({ ended }) => ended.then(gone), gone);
    return carrier;
  }

  private empty(place: Place): void {
    place.carrier = undefined;
    place.sessions = 0;
  }
}

async function startReady(start: () => Carrier): Promise<Carrier> {
  const carrier = start();
  try {
    await carrier.ready;
  } catch (error) {
    carrier.kill("its service cannot be used");
    throw error;
  }
  return carrier;
}

async function leave(carrier: Carrier): Promise<void> {
  const timer = setTimeout(() => carrier.kill("it did not leave in time"), LEAVE_MS_MAX);
  carrier.post({ type: "leave" });
  await carrier.ended;
  clearTimeout(timer);
}
