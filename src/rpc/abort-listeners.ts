/** Listeners of the signals that calls are made with. Node warns of more than ten: so one listens for all. */

interface Listeners {
  readonly all: Set<() => void>;
  readonly run: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/** Runs `run` when `signal` is aborted, until what it returns is called. */
export function whenAborted(signal: AbortSignal, run: () => void): () => void {
  const listeners = listenersOf.get(signal) ?? listenTo(signal);
  listeners.all.add(run);
  return () => {
    listeners.all.delete(run);
    if (listeners.all.size > 0) return;
    signal.removeEventListener("abort", listeners.run);
    listenersOf.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Listeners {
  const all = new Set<() => void>();
  const listeners = {
    all,
    run: () => {
      for (const one of all) one();
    },
  };
  signal.addEventListener("abort", listeners.run);
  listenersOf.set(signal, listeners);
  return listeners;
}
