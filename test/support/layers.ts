/**
 * The architecture as data: which folder of src/ may import which. ARCHITECTURE.md explains the reasons; tidy.test.ts
 * enforces it. Every layer may import itself and `base`. A change here is a change of design: discuss it before the code
 * that needs it.
 */

/** What one folder of src/ (or one file at its root) is allowed to do. */
export interface Layer {
  /** The layers it may import, besides itself and base. */
  readonly may: readonly string[];
  /** The layers it may import types from, and nothing that exists at run time. */
  readonly typesOnly?: readonly string[];
  /** A pure layer does no I/O: no clock, timer, randomness, socket or Node module. Time and chance are handed to it. */
  readonly pure?: boolean;
}

/** The import table. A file directly in src/ is a layer by its own name: `src/index.ts` is `index`. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  // Entry points.
  index: { may: ["rpc", "frame"] },
  cli: { may: ["server", "client", "host", "cluster", "console", "observe"] },
  console: { may: ["observe"] },
  client: { may: ["access", "driver", "link", "frame", "rpc"], typesOnly: ["session"] },
  server: { may: ["access", "host", "link", "cluster", "observe", "driver", "frame", "rpc"] },
  testing: { may: ["access", "client", "frame", "host", "server"], typesOnly: ["rpc"] },

  // Sockets and time.
  link: { may: ["frame"] },
  host: { may: ["access", "driver", "frame", "link", "rpc"], typesOnly: ["session"] },
  cluster: { may: ["access", "frame"] },
  driver: { may: ["session", "rpc", "frame"] },

  // Pure.
  session: { may: ["frame"], pure: true },
  rpc: { may: [], pure: true },
  access: { may: ["frame"], typesOnly: ["rpc"], pure: true },
  frame: { may: [], pure: true },
  base: { may: [], pure: true },
  observe: { may: [] },
};

/** Files of a pure layer that may touch the world, because that is their whole purpose. */
export const IMPURE_FILES: readonly string[] = ["src/base/clock.ts"];

/** `#name` imports (see "imports" in package.json) and the layer that owns each. Only that layer may use it. */
export const INTERNAL_IMPORTS: Readonly<Record<string, string>> = { "#post": "link", "#websocket": "link" };

/** Files that may say `any`: the one place where a Proxy stands for types that exist only at compile time. */
export const ANY_FILES: readonly string[] = ["src/rpc/stub.ts"];

/** Layers whose job includes printing for a person. */
export const PRINTING_LAYERS: readonly string[] = ["cli", "console"];

/** Limits of size. They keep one idea on one screen. */
export const LIMITS = { functionLinesMax: 70, fileLinesMax: 400, lineWidthMax: 120 } as const;
