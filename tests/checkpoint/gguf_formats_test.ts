/**
 * The stored formats against llama.cpp's C structures, read here once more, weight by weight and in plain f64: where
 * each bit of a weight stands is told from the weight's index, not from a walk over the block as in `formats.ts`. The
 * f32 roundings are part of the formats' meaning and are written out.
 */
import { assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { FORMATS, stored } from "../../src/checkpoint/gguf/formats.ts";
import { BF16, F16, F32, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from "./gguf_file.ts";

const f = Math.fround;

/** One block of bytes, and what stands in it. */
class Block {
  readonly #view: DataView;
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  half(at: number): number {
    return this.#view.getFloat16(at, true);
  }
  signed(at: number): number {
    return this.#view.getInt8(at);
  }
  /** `count` bits from bit `at` on, counted through the whole block, low bits first. */
  bits(at: number, count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value |= (this.bytes[(at + i) >> 3] >> ((at + i) & 7) & 1) << i;
    return value;
  }
  /** Weight `i` of 32 in nibbles that begin at byte `at`: the upper half of the weights in the upper nibbles. */
  nibble(at: number, i: number): number {
    return this.bits(8 * (at + i % 16) + 4 * Math.floor(i / 16), 4);
  }
  /** The 6-bit scale and minimum of run `r` of a Q4_K or Q5_K block. */
  scale(r: number): number {
    return r < 4 ? this.bits(8 * (4 + r), 6) : this.bits(8 * (12 + r - 4), 4) + 16 * this.bits(8 * r + 6, 2);
  }
  minimum(r: number): number {
    return r < 4 ? this.bits(8 * (8 + r), 6) : this.bits(8 * (12 + r - 4) + 4, 4) + 16 * this.bits(8 * (4 + r) + 6, 2);
  }
}

/** Weight `i` of a block, for every format. */
const WEIGHT: Record<number, (block: Block, i: number) => number> = {
  [Q4_0]: (b, i) => f(b.half(0) * (b.nibble(2, i) - 8)),
  [Q4_1]: (b, i) => f(f(b.half(0) * b.nibble(4, i)) + b.half(2)),
  [Q5_0]: (b, i) => f(b.half(0) * (b.nibble(6, i) + 16 * b.bits(16 + i, 1) - 16)),
  [Q5_1]: (b, i) => f(f(b.half(0) * (b.nibble(8, i) + 16 * b.bits(32 + i, 1))) + b.half(2)),
  [Q8_0]: (b, i) => f(b.half(0) * b.signed(2 + i)),
  [Q4_K]: (b, i) => {
    const run = i >> 5, q = b.bits(8 * (16 + 32 * (i >> 6) + i % 32) + 4 * (run % 2), 4);
    return f(f(f(b.half(0) * b.scale(run)) * q) - f(b.half(2) * b.minimum(run)));
  },
  [Q5_K]: (b, i) => {
    const run = i >> 5, low = b.bits(8 * (48 + 32 * (i >> 6) + i % 32) + 4 * (run % 2), 4);
    const q = low + 16 * b.bits(8 * (16 + i % 32) + run, 1);
    return f(f(f(b.half(0) * b.scale(run)) * q) - f(b.half(2) * b.minimum(run)));
  },
  [Q6_K]: (b, i) => {
    const half = i >> 7, j = i % 128;
    const low = b.bits(8 * (64 * half + j % 64) + 4 * (j >> 6), 4);
    const high = b.bits(8 * (128 + 32 * half + j % 32) + 2 * (j >> 5), 2);
    return f(f(b.half(208) * b.signed(192 + (i >> 4))) * (low + 16 * high - 32));
  },
  [F32]: (b) => new DataView(b.bytes.buffer, b.bytes.byteOffset).getFloat32(0, true),
  [F16]: (b) => b.half(0),
  [BF16]: (b) => new DataView(Uint8Array.of(0, 0, ...b.bytes).buffer).getFloat32(0, true),
};

for (const [number, format] of Object.entries(FORMATS)) {
  Deno.test(`${format.name}: every weight of any block is the format's own formula`, () => {
    const blocks = fc.uint8Array({ minLength: 3 * format.bytes, maxLength: 3 * format.bytes });
    fc.assert(
      fc.property(blocks, (random) => {
        const bytes = new Uint8Array(random);
        const out = new Float32Array(2 * format.weights);
        format.decode(stored(bytes), format.bytes, out); // the second and third block
        const expected = Float32Array.from(out, (_, i) => {
          const at = format.bytes * (1 + Math.floor(i / format.weights));
          return WEIGHT[Number(number)](new Block(bytes.slice(at, at + format.bytes)), i % format.weights);
        });
        assertEquals([...out], [...expected]);
      }),
      { numRuns: 200 },
    );
  });
}
