/** What streams look like from the far side. The compiler is the judge (`npm run check`). */
import type { Readable } from "node:stream";
import { expectTypeOf, test } from "vitest";
import { type Received, type Remote, type RemoteCall, type Sent, Service, type Stub, Target } from "../../src/index.js";

class Part extends Target {
  read(): string {
    return "";
  }
}

class Files extends Service {
  async *report(_month: string) {
    yield new Uint8Array(1);
  }
  *lines() {
    yield "line";
  }
  async *parts() {
    yield new Part();
  }
  open(): ReadableStream<Uint8Array> {
    return new ReadableStream();
  }
  sink(): WritableStream<string> {
    return new WritableStream();
  }
  upload(_file: ReadableStream<Uint8Array>, _name: string): void {}
  add(_numbers: AsyncIterable<number>): number {
    return 0;
  }
  callEach(_callbacks: AsyncIterable<(n: number) => void>): void {}
  fill(_into: WritableStream<number>): void {}
  nested(): { readonly name: string; readonly octets: ReadableStream<Uint8Array> } {
    return { name: "", octets: new ReadableStream() };
  }
}

declare const files: Remote<Files>;

type ItemOf<T> = T extends { [Symbol.asyncIterator](): AsyncIterator<infer Item> } ? Item : never;

test("what a method yields is what its call is iterated for", () => {
  expectTypeOf<ItemOf<ReturnType<typeof files.report>>>().toEqualTypeOf<Uint8Array<ArrayBuffer>>();
  expectTypeOf<ItemOf<ReturnType<typeof files.lines>>>().toEqualTypeOf<string>();
  expectTypeOf<ItemOf<ReturnType<typeof files.parts>>>().toEqualTypeOf<Stub<Part>>();
  expectTypeOf<ItemOf<ReturnType<typeof files.open>>>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<ItemOf<ReturnType<typeof files.upload>>>().toEqualTypeOf<never>();
  const loop = async () => {
    for await (const line of files.lines()) expectTypeOf(line).toEqualTypeOf<string>();
  };
  expectTypeOf(loop).toBeFunction();
});

test("streams of data are passed as they are, also inside of other values", () => {
  expectTypeOf<Remote<Files>["open"]>().toEqualTypeOf<() => RemoteCall<ReadableStream<Uint8Array>>>();
  expectTypeOf<Awaited<ReturnType<typeof files.nested>>["octets"]>().toEqualTypeOf<ReadableStream<Uint8Array>>();
  expectTypeOf<Awaited<ReturnType<typeof files.sink>>>().toEqualTypeOf<WritableStream<string>>();
});

class Album extends Service {
  add(picture: File, _others: readonly Blob[]): Blob {
    return picture;
  }
}

test("a Blob or File is one at both sides", () => {
  const album = {} as Remote<Album>;
  expectTypeOf<Awaited<ReturnType<typeof album.add>>>().toEqualTypeOf<Blob>();
  const calls = () => {
    album.add(new File([], "a.png"), [new Blob([]), new File([], "b")]);
    // @ts-expect-error: a Blob is no File
    album.add(new Blob([]), []);
  };
  expectTypeOf(calls).returns.toBeVoid();
});

test("arguments are what the method declares: streams, generators, iterables of either kind", () => {
  const calls = () => {
    async function* numbers() {
      yield 1;
    }
    files.add(numbers());
    files.upload(new Blob([]).stream(), "x");
    files.fill(new WritableStream<number>());
    files.callEach(
      (async function* () {
        yield (n: number) => void n;
      })(),
    );
    // @ts-expect-error: items of another type
    files.add(files.lines());
    // @ts-expect-error: no stream
    files.upload(new Uint8Array(1), "x");
  };
  expectTypeOf(calls).toBeFunction();
  expectTypeOf<Sent<ReadableStream<Uint8Array>>>().toEqualTypeOf<ReadableStream<Uint8Array>>();
});

test("Node's own streams and octets arrive as what every platform has", () => {
  interface Disk {
    file(): Readable;
    both(): Promise<{ head: Buffer; readonly size: number }>;
    octets(): Uint8Array;
    buffer(): Buffer;
    save(data: Buffer, parts: Readable): void;
  }
  expectTypeOf<ReturnType<Remote<Disk>["file"]>>().toEqualTypeOf<
    RemoteCall<AsyncGenerator<ReturnType<typeof JSON.parse>, undefined, undefined>>
  >();
  expectTypeOf<Received<Buffer>>().toEqualTypeOf<Uint8Array<ArrayBuffer>>();
  expectTypeOf<ReturnType<Remote<Disk>["both"]>>().toEqualTypeOf<
    RemoteCall<{ head: Uint8Array<ArrayBuffer>; readonly size: number }>
  >();
  expectTypeOf<ReturnType<Remote<Disk>["octets"]>>().toEqualTypeOf<RemoteCall<Uint8Array>>();
  expectTypeOf<ReturnType<Remote<Disk>["buffer"]>>().toEqualTypeOf<RemoteCall<Uint8Array<ArrayBuffer>>>();
  expectTypeOf<[Buffer, Readable]>().toExtend<Parameters<Remote<Disk>["save"]>>();
  expectTypeOf<[Buffer, AsyncGenerator<Uint8Array>]>().toExtend<Parameters<Remote<Disk>["save"]>>();
});
