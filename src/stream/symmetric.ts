/**
 * The sums `xᵀ x` on their way between machines: two matrices (a high part and what it lost), each symmetric to the bit, of
 * which the lower triangle says all.
 */

/** The lower triangles of two n x n matrices of F32, one after the other. @throws RangeError if one is not symmetric. */
export function packSymmetric(bytes: Uint8Array<ArrayBuffer>, n: number): Uint8Array<ArrayBuffer> {
  const all = new Uint32Array(bytes.buffer, bytes.byteOffset, 2 * n * n), packed = new Uint32Array(n * (n + 1));
  let at = 0;
  for (let part = 0; part < 2 * n * n; part += n * n) {
    for (let row = 0; row < n; row++) {
      for (let col = 0; col <= row; col++) {
        const value = all[part + row * n + col];
        if (value !== all[part + col * n + row]) throw new RangeError(`a sum at ${row}, ${col} that is not symmetric`);
        packed[at++] = value;
      }
    }
  }
  return new Uint8Array(packed.buffer);
}

/** The matrices again. @throws RangeError for bytes of another length. */
export function unpackSymmetric(bytes: Uint8Array, n: number): Uint8Array<ArrayBuffer> {
  if (bytes.length !== 4 * n * (n + 1)) {
    throw new RangeError(`expected ${4 * n * (n + 1)} bytes, found ${bytes.length}`);
  }
  const packed = new Uint32Array(bytes.slice().buffer), all = new Uint32Array(2 * n * n);
  let at = 0;
  for (let part = 0; part < 2 * n * n; part += n * n) {
    for (let row = 0; row < n; row++) {
      for (let col = 0; col <= row; col++) {
        all[part + row * n + col] = all[part + col * n + row] = packed[at++];
      }
    }
  }
  return new Uint8Array(all.buffer);
}
