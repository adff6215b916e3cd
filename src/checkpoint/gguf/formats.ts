/**
 * How GGML stores weights: in blocks of 32 or 256 that share a scale, and here back to numbers. Every formula is in f32,
 * in the order of llama.cpp's and the `gguf` Python package's own (https://github.com/ggml-org/llama.cpp,
 * gguf-py/gguf/quants.py), so that the results are theirs bit for bit: a product or difference is rounded to f32 before
 * the next. Storing into a `Float32Array` rounds too, and f64 arithmetic on two f32 rounds once.
 */

/** A stored run of bytes under the views that the formats need; it begins at a multiple of four. */
export interface Stored {
  /** Scales of a few bits, and packed weights. */
  readonly bytes: Uint8Array;
  /** Weights or scales of a signed byte. */
  readonly signed: Int8Array;
  /** Scales; every block is of an even number of bytes. */
  readonly halves: Float16Array;
  /** For weights that are numbers already. */
  readonly buffer: ArrayBuffer;
}

/** The views of some bytes (copied, if they begin at no multiple of four). */
export function stored(bytes: Uint8Array<ArrayBuffer>): Stored {
  const { buffer, byteOffset, length } = bytes.byteOffset === 0 ? bytes : bytes.slice();
  return {
    bytes: new Uint8Array(buffer, byteOffset, length),
    signed: new Int8Array(buffer, byteOffset, length),
    halves: new Float16Array(buffer, byteOffset, length >> 1),
    buffer,
  };
}

/** One way to store weights. */
export interface Format {
  /** GGML's name of it. */
  readonly name: string;
  /** Weights of a block. */
  readonly weights: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** The weights of the blocks from byte `at` on, as many as `out` holds. */
  decode(from: Stored, at: number, out: Float32Array): void;
}

const { fround } = Math;

/** A format whose blocks are decoded one by one. */
function blocks(
  name: string,
  weights: number,
  bytes: number,
  block: (from: Stored, at: number, out: Float32Array, to: number) => void,
): Format {
  return {
    name,
    weights,
    bytes,
    decode(from, at, out) {
      for (let to = 0; to < out.length; to += weights, at += bytes) block(from, at, out, to);
    },
  };
}

/** d · (q - 8), q of 4 bits: the first half of a block in the low nibbles, the second in the high ones. */
const Q4_0 = blocks("Q4_0", 32, 18, ({ bytes, halves }, at, out, to) => {
  const d = halves[at >> 1];
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 2 + j];
    out[to + j] = d * ((pair & 15) - 8);
    out[to + 16 + j] = d * ((pair >> 4) - 8);
  }
});

/** d · q + m, q of 4 bits. */
const Q4_1 = blocks("Q4_1", 32, 20, ({ bytes, halves }, at, out, to) => {
  const d = halves[at >> 1], m = halves[(at >> 1) + 1];
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 4 + j];
    out[to + j] = fround(d * (pair & 15)) + m;
    out[to + 16 + j] = fround(d * (pair >> 4)) + m;
  }
});

/** d · (q - 16), q of 4 bits and a fifth from a word of them. */
const Q5_0 = blocks("Q5_0", 32, 22, ({ bytes, halves }, at, out, to) => {
  const d = halves[at >> 1];
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 6 + j];
    out[to + j] = d * ((pair & 15 | fifth(bytes, at + 2, j)) - 16);
    out[to + 16 + j] = d * ((pair >> 4 | fifth(bytes, at + 2, j + 16)) - 16);
  }
});

/** d · q + m, q of 5 bits. */
const Q5_1 = blocks("Q5_1", 32, 24, ({ bytes, halves }, at, out, to) => {
  const d = halves[at >> 1], m = halves[(at >> 1) + 1];
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 8 + j];
    out[to + j] = fround(d * (pair & 15 | fifth(bytes, at + 4, j))) + m;
    out[to + 16 + j] = fround(d * (pair >> 4 | fifth(bytes, at + 4, j + 16))) + m;
  }
});

/** The fifth bit of weight `j`, in its place. */
function fifth(bytes: Uint8Array, at: number, j: number): number {
  return (bytes[at + (j >> 3)] >> (j & 7) & 1) << 4;
}

/** d · q, q a signed byte. */
const Q8_0 = blocks("Q8_0", 32, 34, ({ signed, halves }, at, out, to) => {
  const d = halves[at >> 1];
  for (let j = 0; j < 32; j++) out[to + j] = d * signed[at + 2 + j];
});

/** (d · s) · q - dmin · m, q of 4 bits; s and m of 6 bits for each run of 32 weights. */
const Q4_K = blocks("Q4_K", 256, 144, ({ bytes, halves }, at, out, to) => {
  for (let run = 0; run < 8; run++) {
    const [scale, minimum] = scales(bytes, halves, at, run);
    const shift = 4 * (run & 1), from = at + 16 + 32 * (run >> 1);
    for (let j = 0; j < 32; j++) {
      out[to + 32 * run + j] = fround(scale * (bytes[from + j] >> shift & 15)) - minimum;
    }
  }
});

/** As Q4_K, with a fifth bit: bit `run` of one of 32 bytes. */
const Q5_K = blocks("Q5_K", 256, 176, ({ bytes, halves }, at, out, to) => {
  for (let run = 0; run < 8; run++) {
    const [scale, minimum] = scales(bytes, halves, at, run);
    const shift = 4 * (run & 1), from = at + 48 + 32 * (run >> 1);
    for (let j = 0; j < 32; j++) {
      const q = bytes[from + j] >> shift & 15 | (bytes[at + 16 + j] >> run & 1) << 4;
      out[to + 32 * run + j] = fround(scale * q) - minimum;
    }
  }
});

/**
 * The scale d · s and the minimum dmin · m of a run of a Q4_K or Q5_K block. Twelve bytes hold eight s and eight m: the
 * first four of each in the low six bits of bytes 0 to 7, the others in the nibbles of bytes 8 to 11 below the top two
 * bits of bytes 0 to 7.
 */
function scales(bytes: Uint8Array, halves: Float16Array, at: number, run: number): [number, number] {
  const packed = at + 4, high = packed + run - 4;
  const s = run < 4 ? bytes[packed + run] & 63 : bytes[high + 8] & 15 | bytes[high] >> 6 << 4;
  const m = run < 4 ? bytes[packed + run + 4] & 63 : bytes[high + 8] >> 4 | bytes[high + 4] >> 6 << 4;
  return [fround(halves[at >> 1] * s), fround(halves[(at >> 1) + 1] * m)];
}

/**
 * (d · s) · (q - 32), q of 6 bits, s a signed byte for each run of 16 weights. Each half of a block: 64 bytes of low
 * nibbles and 32 of the upper bits hold four runs of 32 weights.
 */
const Q6_K = blocks("Q6_K", 256, 210, ({ bytes, signed, halves }, at, out, to) => {
  const d = halves[(at + 208) >> 1];
  for (let run = 0; run < 8; run++) {
    const half = run >> 2, quarter = run & 3;
    const low = at + 64 * half + 32 * (quarter & 1), high = at + 128 + 32 * half, shift = 4 * (quarter >> 1);
    for (let j = 0; j < 32; j++) {
      const scale = fround(d * signed[at + 192 + 2 * run + (j >> 4)]);
      const q = bytes[low + j] >> shift & 15 | (bytes[high + j] >> 2 * quarter & 3) << 4;
      out[to + 32 * run + j] = scale * (q - 32);
    }
  }
});

const F32: Format = {
  name: "F32",
  weights: 1,
  bytes: 4,
  decode: ({ buffer }, at, out) => out.set(new Float32Array(buffer, at, out.length)),
};

const F16: Format = {
  name: "F16",
  weights: 1,
  bytes: 2,
  decode: ({ halves }, at, out) => out.set(halves.subarray(at >> 1, (at >> 1) + out.length)),
};

/** The upper half of an F32. */
const BF16: Format = {
  name: "BF16",
  weights: 1,
  bytes: 2,
  decode({ buffer }, at, out) {
    const upper = new Uint16Array(buffer, at, out.length);
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let j = 0; j < words.length; j++) words[j] = upper[j] << 16;
  },
};

/** The formats that are read, by GGML's number of each. */
export const FORMATS: Readonly<Record<number, Format>> = {
  ...{ 0: F32, 1: F16, 2: Q4_0, 3: Q4_1, 6: Q5_0, 7: Q5_1, 8: Q8_0, 12: Q4_K, 13: Q5_K, 14: Q6_K, 30: BF16 },
};

/** GGML's names of other formats that files are found in, so that an error can say which one it met. */
const OTHERS: Readonly<Record<number, string>> = {
  ...{ 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL" },
  ...{ 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M" },
  ...{ 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4" },
};

/** What GGML calls a format. */
export function formatName(format: number): string {
  return FORMATS[format]?.name ?? OTHERS[format] ?? `of the unknown format ${format}`;
}
