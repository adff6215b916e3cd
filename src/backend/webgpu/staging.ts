/**
 * The way back: bytes are copied on the device into buffers that can be mapped, all of a read in one go, so that a read
 * waits once however much it asks for.
 */

/** Bytes of one such buffer; a larger read takes several, since one allocation may not have them all. */
const STAGING_BYTES = 2 ** 28;

/** Bytes to copy back: as many as `into` has, from the beginning of the buffer. */
export interface Range {
  readonly buffer: GPUBuffer;
  readonly into: Uint8Array;
}

/** A part of a range that stands at `at` in a staging buffer. */
interface Part {
  readonly at: number;
  readonly into: Uint8Array;
}

/** A staging buffer, and what comes through it. */
export interface Staged {
  readonly buffer: GPUBuffer;
  readonly parts: readonly Part[];
}

/** Bytes of the whole 32-bit words that hold so many bytes: what copies are made of. */
function words(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** Encodes the copies, into one buffer at least, so that there is something to wait for. */
export function stage(gpu: GPUDevice, encoder: GPUCommandEncoder, ranges: readonly Range[]): Staged[] {
  const staged: Staged[] = [];
  let left = ranges.reduce((sum, { into }) => sum + words(into.length), 0);
  let parts: Part[] = [];
  let used = 0;
  const open = (): GPUBuffer => {
    const size = Math.max(4, Math.min(left, STAGING_BYTES));
    const buffer = gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    staged.push({ buffer, parts: parts = [] });
    used = 0;
    left -= size;
    return buffer;
  };
  let target = open();
  for (const { buffer, into } of ranges) {
    for (let from = 0; from < into.length;) {
      if (used === target.size) target = open();
      const bytes = Math.min(into.length - from, target.size - used);
      encoder.copyBufferToBuffer(buffer, from, target, used, words(bytes));
      parts.push({ at: used, into: into.subarray(from, from + bytes) });
      used += words(bytes);
      from += bytes;
    }
  }
  return staged;
}

/** Fills the ranges from the staging buffers, which are mapped. */
export function unstage(staged: readonly Staged[]): void {
  for (const { buffer, parts } of staged) {
    const mapped = new Uint8Array(buffer.getMappedRange());
    for (const { at, into } of parts) into.set(mapped.subarray(at, at + into.length));
  }
}
