/**
 * What the life of a page means for a session (D15): a page that goes for good ends its session, one that is put aside
 * lets its link go and comes back, one that is seen again or online again looks for a path at once.
 * There is no `unload` listener: it would keep the page out of the back/forward cache.
 */

/** What a page asks of a communication. */
export interface PageEvents {
  /** The page is leaving for good: whatever can be said must be said now. */
  leave(): void;
  /** The page is put into the back/forward cache. */
  detach(): void;
  /** The page, or the network, is back. */
  wake(): void;
}

/** Listens to the page if there is one; returns how to stop that. */
export function watchPage(events: PageEvents): () => void {
  if (typeof document === "undefined" || typeof window === "undefined") return () => {};
  const stop = new AbortController();
  const { signal } = stop;
  const listen = (target: EventTarget, type: string, run: (event: Event) => void) =>
    target.addEventListener(type, run, { signal });
  listen(window, "pagehide", (event) => ((event as PageTransitionEvent).persisted ? events.detach() : events.leave()));
  listen(window, "pageshow", (event) => (event as PageTransitionEvent).persisted && events.wake());
  listen(window, "online", () => events.wake());
  listen(document, "visibilitychange", () => document.visibilityState === "visible" && events.wake());
  return () => stop.abort();
}
