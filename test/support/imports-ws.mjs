// What the browser client must never do. size.test.ts bundles this to prove that it would be noticed.
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";

export const wrong = [readFileSync, WebSocket];
