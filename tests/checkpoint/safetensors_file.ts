/** safetensors files for the tests, sound and lying: whatever header, whatever bytes. */
import type { Source } from "../../src/checkpoint/source.ts";

/** A file of this header (text, or a value that becomes JSON) and this many bytes after it. */
export function safetensorsFile(header: unknown, data: Uint8Array | number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + (typeof data === "number" ? data : data.length));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  if (typeof data !== "number") bytes.set(data, 8 + text.length);
  return bytes;
}

/** Bytes in memory as a source; reading outside of them is a bug of the reader and fails as one. */
export function memory(bytes: Uint8Array<ArrayBuffer>, name = "f"): Source {
  return {
    name,
    size: bytes.length,
    read(offset, length) {
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
        return Promise.reject(new RangeError(`read of ${length} bytes at ${offset} of ${bytes.length}`));
      }
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
