/** Numbers as kernels are handed them: 32-bit words. */

/** The bits of floats. */
export function words({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}
