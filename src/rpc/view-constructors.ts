type ViewConstructor = { BYTES_PER_ELEMENT?: number; new (buffer: ArrayBuffer): ArrayBufferView };

/** By kind octet, from 1 on; a Uint8Array is bin. Elements cross as they lie in memory: little-endian, but on s390x. */
export const viewConstructors: readonly ViewConstructor[] = [
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
];
