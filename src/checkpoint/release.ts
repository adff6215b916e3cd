/**
 * Letting go of large buffers at once. The garbage collector comes when some tens of megabytes are waiting for it, which
 * is as much as several blocks of a small model; and what it is too late for counts in the peak.
 */

/** Frees the memory under these bytes; they are empty from now on, and so is every other view into it. */
export function release(...views: readonly Uint8Array<ArrayBuffer>[]): void {
  // Views may share a buffer.
  for (const { buffer } of views) if (!buffer.detached) buffer.transfer(0);
}
