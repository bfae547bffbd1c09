/** Files of a folder as hypertext: what a service's `fetch` answers for pages, pictures and downloads. */
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { staticMiddleware } from "srvx/static";
import { DuowireError } from "../base/errors.js";

/** How files are served. */
export interface FilesOptions {
  /**
   * Where the folder begins in the request's URL: `this.session` of the service for below the session's address, or a
   * path such as `/assets/`. The root of the URL unless given.
   */
  readonly under?: { readonly address: { readonly href: string } } | string;
  /** How long a browser may keep a file, in milliseconds; as `private`. Default: it asks each time (`no-cache`). */
  readonly keepMs?: number;
}

/** Answers a request with a file. Never rejects for what the request says. */
export type AnswerWithFile = (request: Request) => Promise<Response>;

/**
 * Serves the files of `folder` (an absolute path, or a `file:` URL) for GET and HEAD, streamed: one range, a suffix
 * too, with If-Range (206, 416), ETag and Last-Modified (304), `index.html` of folders, types of the common kinds.
 * What is not there is 404, another method 405. Nothing outside of the folder is reached, by dots in any spelling or
 * through symbolic links, and no file whose name begins with a dot. Throws `invalid_argument` for a relative path.
 *
 * ```ts
 * readonly #files = files(new URL("./public/", import.meta.url), { under: this.session });
 * override fetch(request: Request) { return this.#files(request); }
 * ```
 */
export function files(folder: string | URL, { under = "/", keepMs }: FilesOptions = {}): AnswerWithFile {
  const root = readFolder(folder);
  const mount = (typeof under === "string" ? under : new URL(under.address.href).pathname).replace(/\/+$/, "");
  const find = staticMiddleware({ dir: root, dotfiles: false, compress: false });
  const cacheControl = keepMs === undefined ? "private, no-cache" : `private, max-age=${Math.floor(keepMs / 1_000)}`;
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("only GET and HEAD are for files\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const path = pathBelow(request.url, mount);
    const found = path === undefined ? notFound() : await find(requestOf(request, path) as never, notFound);
    if (found.status < 400) found.headers.set("cache-control", cacheControl);
    return found.body === null ? found : new Response(closing(found.body), found);
  };
}

/**
 * The same body, whose file is closed also when it is cancelled before anything was read: a stream that was made of an
 * iterator begins to be responsible for it only with the first reading.
 */
function closing(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        await reader.read().catch(() => undefined);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The path of the request below the mount; undefined outside of it, and for what no file is called. */
function pathBelow(url: string, mount: string): string | undefined {
  const { pathname } = new URL(url);
  if (!pathname.startsWith(`${mount}/`)) return undefined;
  // A name with these in it means something else to one system or the other, encoded or not.
  return /%(?:00|2f|5c|25)|\\/i.test(pathname) ? undefined : pathname.slice(mount.length);
}

/** The same question for a path of the folder. */
function requestOf({ method, headers }: Request, path: string): Request {
  return new Request(`http://localhost${path}`, { method, headers });
}

function notFound(): Response {
  return new Response("there is no such file\n", { status: 404 });
}

function readFolder(folder: string | URL): string {
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  if (isAbsolute(path)) return resolve(path);
  const advice = "give an absolute path, or new URL('./public/', import.meta.url)";
  throw new DuowireError("invalid_argument", `the folder ${JSON.stringify(path)} is relative; ${advice}`, {
    side: "local",
  });
}
