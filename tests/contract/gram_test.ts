/** Claims about `addGram`: the second moment of a linear's inputs, and its way through `merge` and `finish`. */
import { assertEquals } from "@std/assert";
import { assertHeld, contract, type Expected } from "./contract.ts";
import { gamma, underflow, UNIT } from "./bounds.ts";
import { decode, type Draw, draw, INTEGERS, type Matrix, matrix, NORMAL, SPREAD } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** Tokens and features: one of each, at and beside the usual tiles, and many tokens. */
const shapes = (
  long: number,
): number[][] => [[1, 1], [2, 33], [7, 1], [33, 65], [64, 64], [129, 31], [130, 127], [long, 3]];

/** `xᵀ x` and the same sums of magnitudes, one outer product after the other. */
const gram = remembered(({ values: x, rows, cols }: Matrix) => {
  const values = new Float64Array(cols * cols), magnitudes = values.slice();
  for (let t = 0; t < rows; t++) {
    for (let i = 0; i < cols; i++) {
      for (let j = 0; j < cols; j++) {
        const term = x[t * cols + i] * x[t * cols + j];
        values[i * cols + j] += term;
        magnitudes[i * cols + j] += Math.abs(term);
      }
    }
  }
  return { values, magnitudes };
});

/** The value of a sum is its high part plus what that lost. */
const value = (bytes: Uint8Array): Float64Array => {
  const parts = decode(bytes, "F32"), half = parts.length / 2;
  return parts.slice(0, half).map((high, at) => high + parts[half + at]);
};

contract("addGram", (claim) => {
  claim("adds xᵀ x, exactly where f32 is exact", async ({ backend, hold, keep, long }) => {
    const cases = shapes(long).map(([rows, cols], seed) => {
      const x = draw(seed, rows, cols, "F32", INTEGERS), sums = keep(backend.allocate(2 * cols, cols));
      backend.addGram(sums, hold(x));
      return { x, sums };
    });
    const found = await backend.read(...cases.map(({ sums }) => sums));
    cases.forEach(({ x }, i) => assertEquals(value(found[i]), gram(x).values, `${x.rows} x ${x.cols}`));
  });

  // Products and sums of a batch's rows may be f32, in any order: gamma(rows) (Higham, section 3.1).
  claim("keeps the rounding of f32 within a batch, over six decades", async ({ backend, hold, keep, long }) => {
    const expected = [NORMAL, SPREAD].flatMap((each: Draw) =>
      shapes(long).map(([rows, cols], seed): Expected => {
        const x = draw(seed, rows, cols, "F32", each), sums = keep(backend.allocate(2 * cols, cols));
        backend.addGram(sums, hold(x));
        const { values, magnitudes } = gram(x);
        const bounds = magnitudes.map((sum) => (gamma(rows) + 2 * UNIT) * sum + rows * underflow(backend));
        return { what: `${rows} x ${cols}`, held: keep(backend.finish(sums, 1)), values, bounds };
      })
    );
    await assertHeld(backend, expected);
  });

  claim("is symmetric to the bit, in both parts", async ({ backend, hold, keep, long }) => {
    for (const [rows, cols] of [[3, 5], [67, 130], [long, 33]]) {
      const sums = keep(backend.allocate(2 * cols, cols));
      for (const seed of [1, 2]) backend.addGram(sums, hold(draw(seed, rows, cols, "F32", SPREAD)));
      const [bytes] = await backend.read(sums), parts = new Uint32Array(bytes.buffer);
      const flipped = parts.map((_, at) => {
        const part = Math.floor(at / cols ** 2) * cols ** 2, row = Math.floor((at - part) / cols);
        return parts[part + at % cols * cols + row];
      });
      assertEquals(flipped, parts, `${rows} x ${cols}`);
    }
  });

  // 2^24 + 1 is no f32: a plain f32 sum would stand still there.
  claim("loses nothing across batches: 2^24 + 300 ones", async ({ backend, hold, keep }) => {
    const sums = keep(backend.allocate(10, 5));
    const large = hold(matrix(1, 5, "F32", Array(5).fill(4096))), ones = hold(matrix(3, 5, "F32", Array(15).fill(1)));
    backend.addGram(sums, large);
    for (let batch = 0; batch < 100; batch++) backend.addGram(sums, ones);
    assertEquals([...value((await backend.read(sums))[0])], Array(25).fill(2 ** 24 + 300));
  });

  // The parts hold 2 x 24 bits: what two batchings differ by is the f32 rounding within a batch of at most 64 rows.
  claim("of batches is that of the whole", async ({ backend, hold, keep }) => {
    const x = draw(3, 192, 33, "F32", NORMAL), { values, magnitudes } = gram(x);
    const expected = [1, 7, 64].map((batch): Expected => {
      const sums = keep(backend.allocate(66, 33));
      for (let first = 0; first < 192; first += batch) {
        const rows = x.values.subarray(first * 33, (first + batch) * 33);
        backend.addGram(sums, hold(matrix(rows.length / 33, 33, "F32", rows)));
      }
      const bounds = magnitudes.map((sum) => (gamma(batch) + 2 * UNIT) * sum);
      return { what: `batches of ${batch}`, held: keep(backend.finish(sums, 1)), values, bounds };
    });
    await assertHeld(backend, expected);
  });

  claim(
    "merges and finishes like any sums: half of two equal parts is one of them",
    async ({ backend, hold, keep }) => {
      const x = draw(5, 33, 65, "F32", INTEGERS), held = hold(x);
      const [one, two] = [0, 1].map(() => {
        const sums = keep(backend.allocate(130, 65));
        backend.addGram(sums, held);
        return sums;
      });
      backend.merge(one, two);
      const half = keep(backend.finish(one, 0.5));
      await assertHeld(backend, [{ what: "half", held: half, values: gram(x).values }]);
      assertEquals([half.rows, half.cols], [65, 65]);
    },
  );

  claim("of a dead feature is zero, in its row and its column", async ({ backend, hold, keep }) => {
    const alive = draw(6, 40, 33, "F32", NORMAL);
    const x = matrix(40, 33, "F32", alive.values.map((value, at) => at % 33 === 7 ? 0 : value));
    const sums = keep(backend.allocate(66, 33));
    backend.addGram(sums, hold(x));
    const found = value((await backend.read(sums))[0]);
    for (let j = 0; j < 33; j++) assertEquals([found[7 * 33 + j], found[j * 33 + 7]], [0, 0], `with feature ${j}`);
  });
});
