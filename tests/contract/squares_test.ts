/** Claims about the running column sums: `addSquares`, `merge`, `finish`. */
import { assertEquals } from "@std/assert";
import { assertHeld, contract, type Expected } from "./contract.ts";
import { gamma, underflow, UNIT } from "./bounds.ts";
import { decode, draw, INTEGERS, type Matrix, matrix, NORMAL, SPREAD } from "./matrices.ts";

const shapes = (long: number): number[][] => [
  ...[[1, 1], [1, 129], [2, 33], [7, 1], [33, 65], [129, 31], [193, 130], [long, 3], [long, 33]],
];

/** The sums of squares of the columns. */
function squares(x: Matrix): Float64Array {
  const sums = new Float64Array(x.cols);
  x.values.forEach((value, at) => sums[at % x.cols] += value * value);
  return sums;
}

/** The value of a sum is its high part plus what that lost. */
const value = (bytes: Uint8Array): Float64Array => {
  const parts = decode(bytes, "F32"), cols = parts.length / 2;
  return parts.slice(0, cols).map((high, j) => high + parts[cols + j]);
};

contract("addSquares", (claim) => {
  claim("adds the squares of every column, exactly where f32 is exact", async ({ backend, hold, keep, long }) => {
    const cases = shapes(long).map(([rows, cols], seed) => {
      const x = draw(seed, rows, cols, "F32", INTEGERS), sums = keep(backend.allocate(2, cols));
      backend.addSquares(sums, hold(x));
      return { x, sums };
    });
    const found = await backend.read(...cases.map(({ sums }) => sums));
    cases.forEach(({ x }, i) => assertEquals(value(found[i]), squares(x), `${x.rows} x ${x.cols}`));
  });

  // One square is rounded once and a tile of at most a batch's rows may be summed in f32: gamma(rows).
  claim(
    "keeps the rounding of f32 within a batch, over six decades of magnitude",
    async ({ backend, hold, keep, long }) => {
      const expected = [NORMAL, SPREAD].flatMap((each) =>
        shapes(long).map(([rows, cols], seed): Expected => {
          const x = draw(seed, rows, cols, "F32", each), sums = keep(backend.allocate(2, cols));
          backend.addSquares(sums, hold(x));
          const values = squares(x),
            bounds = values.map((sum) => (gamma(rows) + UNIT) * sum + rows * underflow(backend));
          return { what: `${rows} x ${cols}`, held: keep(backend.finish(sums, 1)), values, bounds };
        })
      );
      await assertHeld(backend, expected);
    },
  );

  // 2^24 + 1 is no f32: a plain f32 sum would stand still there. 300 batches of 3 rows of ones add 900, exactly.
  claim("loses nothing across batches: 2^24 + 900 ones", async ({ backend, hold, keep }) => {
    const sums = keep(backend.allocate(2, 5));
    const large = hold(matrix(1, 5, "F32", Array(5).fill(4096)));
    const ones = hold(matrix(3, 5, "F32", Array(15).fill(1)));
    backend.addSquares(sums, large);
    for (let batch = 0; batch < 300; batch++) backend.addSquares(sums, ones);
    assertEquals([...value((await backend.read(sums))[0])], Array(5).fill(2 ** 24 + 900));
  });

  claim("loses nothing within a batch: 2^24 and ones below it", async ({ backend, hold, keep, long }) => {
    const sums = keep(backend.allocate(2, 3));
    backend.addSquares(
      sums,
      hold(matrix(long, 3, "F32", Array.from({ length: long * 3 }, (_, at) => at < 3 ? 4096 : 1))),
    );
    assertEquals([...value((await backend.read(sums))[0])], Array(3).fill(2 ** 24 + long - 1));
  });

  // The same with numbers that do not fit: the parts hold 2 x 24 bits, so what two batchings may differ by is the f32
  // rounding within a batch of at most 64 rows, not of the 512 together.
  claim("of batches is the sum of the whole", async ({ backend, hold, keep }) => {
    const x = draw(3, 512, 33, "F32", NORMAL), values = squares(x);
    const expected = [1, 7, 64].map((batch): Expected => {
      const sums = keep(backend.allocate(2, 33));
      for (let first = 0; first < 512; first += batch) {
        const rows = x.values.subarray(first * 33, (first + batch) * 33);
        backend.addSquares(sums, hold(matrix(rows.length / 33, 33, "F32", rows)));
      }
      const bounds = values.map((sum) => (gamma(batch) + 2 * UNIT) * sum);
      return { what: `batches of ${batch}`, held: keep(backend.finish(sums, 1)), values, bounds };
    });
    await assertHeld(backend, expected);
  });

  claim("does not overflow at squares of 1e36 and keeps zeros", async ({ backend, hold, keep }) => {
    const x = matrix(3, 2, "F32", [1e18, 0, 1e18, -0, 1, 0]), sums = keep(backend.allocate(2, 2));
    backend.addSquares(sums, hold(x));
    const bounds = squares(x).map((sum) => (gamma(3) + UNIT) * sum);
    await assertHeld(backend, [{
      what: "large",
      held: keep(backend.finish(sums, 1)),
      values: squares(x),
      bounds,
    }]);
  });
});

contract("merge", (claim) => {
  claim("adds both parts, exactly: 2^24 + 1 and 2^24 + 3", async ({ backend, hold }) => {
    const sums = hold(matrix(2, 3, "F32", [2 ** 24, 2 ** 24, 0, 1, -1, 0]));
    const other = hold(matrix(2, 3, "F32", [2 ** 24, 5, 0, 3, 0.5, 0]));
    backend.merge(sums, other);
    const [found, kept] = await backend.read(sums, other);
    assertEquals([...value(found)], [2 ** 25 + 4, 2 ** 24 + 4.5, 0]);
    assertEquals([...decode(kept, "F32")], [2 ** 24, 5, 0, 3, 0.5, 0], "the other sums stay as they were");
  });

  claim("commutes, to the bit", async ({ backend, hold }) => {
    const pair = (seed: number) => {
      const high = draw(seed, 1, 129, "F32", (random) => Math.abs(SPREAD(random)));
      const low = draw(seed + 1, 1, 129, "F32", (random) => 2 ** -26 * NORMAL(random));
      const parts = [...high.values, ...low.values.map((part, j) => part * high.values[j])];
      return hold(matrix(2, 129, "F32", parts));
    };
    const [a, b, c, d] = [pair(1), pair(5), pair(1), pair(5)];
    backend.merge(a, b);
    backend.merge(d, c);
    const [one, two] = await backend.read(a, d);
    assertEquals(value(one), value(two));
  });

  // Each merge may lose the last bits of the low part: a unit squared of the sum, here 40 times.
  claim("of partial sums is the sum of the whole", async ({ backend, hold, keep }) => {
    const parts = Array.from({ length: 40 }, (_, i) => draw(i, 1, 65, "F32", SPREAD));
    const total = keep(backend.allocate(2, 65)), values = new Float64Array(65);
    for (const part of parts) {
      const sums = keep(backend.allocate(2, 65));
      backend.addSquares(sums, hold(part));
      backend.merge(total, sums);
      squares(part).forEach((square, j) => values[j] += square);
    }
    const bounds = values.map((sum) => (2 * UNIT + 40 * UNIT ** 2) * sum);
    await assertHeld(backend, [{ what: "40 parts", held: keep(backend.finish(total, 1)), values, bounds }]);
  });
});

contract("finish", (claim) => {
  // Rounded once: half a unit in the last place. The product before it may be off by some units squared where there is
  // no f64 (a pair of f32 has 2 x 24 bits), so a result that lies that near the middle may round to either side.
  claim("scales the sum and rounds once", async ({ backend, hold, keep }) => {
    const high = draw(1, 1, 193, "F32", (random) => Math.abs(SPREAD(random)));
    const parts = [...high.values, ...high.values.map((value, j) => value * 2 ** -25 * Math.sin(j))];
    const sums = matrix(2, 193, "F32", parts), held = hold(sums);
    const expected = [1, 1 / 3, 1 / 128, 0.1, 7].map((scale): Expected => {
      const values = high.values.map((value, j) => (value + sums.values[193 + j]) * scale);
      const bounds = values.map((value) => (UNIT + 16 * UNIT ** 2) * value);
      return { what: `scale ${scale}`, held: keep(backend.finish(held, scale)), values, bounds };
    });
    await assertHeld(backend, expected);
  });

  claim("leaves the sums as they were, so that they can go on", async ({ backend, hold, keep }) => {
    const x = matrix(2, 3, "F32", [1, 2, 3, 4, 5, 6]);
    const sums = keep(backend.allocate(2, 3));
    const held = hold(x);
    backend.addSquares(sums, held);
    const half = keep(backend.finish(sums, 0.5));
    backend.addSquares(sums, held);
    const whole = keep(backend.finish(sums, 0.5));
    await assertHeld(backend, [
      { what: "after one", held: half, values: [8.5, 14.5, 22.5] },
      { what: "after two", held: whole, values: [17, 29, 45] },
    ]);
  });
});
