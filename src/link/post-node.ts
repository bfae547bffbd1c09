/** One POST from Node, over the connections of {@link connectionsTo}. */
import { type IncomingMessage, request as startRequest } from "node:http";
import { request as startSecureRequest } from "node:https";
import { connectionsTo } from "./connections-node.js";
import type { Answer, Post } from "./post.js";

/** How long a round trip to `href` takes, by the last handshake of TCP, if that is long; else 0. */
export function farMs(href: string): number {
  return connectionsTo(new URL(href)).farMs;
}

/** See {@link Post}. */
export const post: Post = (href, bodyOf, signal) => {
  const url = new URL(href);
  const connections = connectionsTo(url);
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error("given up"));
    let isUnderWay = false;
    const failed = (error: Error) => {
      if (isUnderWay) connections.distrust();
      isUnderWay = false;
      reject(error);
    };
    const begin = () => {
      const body = bodyOf();
      if (signal.aborted || body === undefined) return reject(new Error("given up before it was sent"));
      isUnderWay = true;
      const start = url.protocol === "https:" ? startSecureRequest : startRequest;
      const headers = { "content-length": body.length };
      const request = start(url, { method: "POST", agent: connections.agent, headers, signal });
      request.on("error", failed).on("response", (response) => {
        isUnderWay = false;
        response.on("error", () => connections.distrust());
        resolve(answerOf(response));
      });
      request.end(body);
    };
    const stopWaiting = connections.whenReady(begin, reject);
    signal.addEventListener("abort", () => {
      stopWaiting();
      failed(new Error("given up"));
    });
  });
};

function answerOf(response: IncomingMessage): Answer {
  const { statusCode = 0, headers } = response;
  return {
    status: statusCode,
    header: (name) => headers[name]?.toString(),
    read: (receive) =>
      new Promise((resolve, reject) => {
        response.on("end", resolve).on("error", reject);
        response.on("data", (piece: Buffer) => {
          try {
            receive(piece);
          } catch (error) {
            reject(error);
            response.destroy();
          }
        });
      }),
  };
}
