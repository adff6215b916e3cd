/** Orders of inputs for n:m: the assignment is the best there is, and an order keeps no less than the one it came from. */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { assignGreatest } from "../../src/method/assignment.ts";
import { regroup, retained } from "../../src/method/permutation.ts";
import { draw } from "../contract/matrices.ts";

/** All orders of so many things. */
function orders(n: number): number[][] {
  if (n === 0) return [[]];
  return orders(n - 1).flatMap((order) => Array.from({ length: n }, (_, at) => order.toSpliced(at, 0, n - 1)));
}

Deno.test("an assignment takes every column once, and no order of them is worth more", () => {
  const all = Array.from({ length: 7 }, (_, n) => orders(n));
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 6 }).chain((n) =>
      fc.tuple(fc.constant(n), fc.array(fc.integer({ min: -9, max: 9 }), { minLength: n * n, maxLength: n * n }))
    ),
    ([n, numbers]) => {
      const values = Float64Array.from(numbers), columns = assignGreatest(values, n);
      const worth = (order: ArrayLike<number>) =>
        Array.from({ length: n }, (_, row) => values[row * n + order[row]]).reduce((a, b) => a + b);
      assertEquals([...columns].toSorted(), Array.from({ length: n }, (_, j) => j));
      assertEquals(worth(columns), Math.max(...all[n].map(worth)));
    },
  ));
});

Deno.test("an order has every column once, and keeps no less than its columns dealt out", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 1e6 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 8 }),
    fc.constantFrom({ n: 2, m: 4 }, { n: 1, m: 2 }, { n: 3, m: 4 }, { n: 4, m: 8 }, { n: 1, m: 4 }),
    (seed, rows, groups, pattern) => {
      const cols = groups * pattern.m, scores = draw(seed, rows, cols, "F32", (random) => random() ** 4);
      const matrix = { rows, cols, values: Float32Array.from(scores.values) };
      const order = regroup(matrix, pattern),
        sums = Array.from(
          { length: cols },
          (_, j) => Array.from({ length: rows }, (_, i) => matrix.values[i * cols + j]).reduce((a, b) => a + b),
        );
      assertEquals([...order].toSorted((a, b) => a - b), Array.from({ length: cols }, (_, j) => j));
      // Dealt out, as the paper says: ranks forth and back over the groups.
      const ranks = sums.map((_, j) => j).toSorted((a, b) => sums[a] - sums[b] || a - b), dealt = new Uint32Array(cols);
      ranks.forEach((column, rank) => {
        const place = Math.floor(rank / groups), at = rank % groups;
        dealt[(place % 2 ? groups - 1 - at : at) * pattern.m + place] = column;
      });
      // Sums of so many numbers in f64.
      assertGreaterOrEqual(retained(matrix, pattern, order), retained(matrix, pattern, dealt) * (1 - 2 ** -40));
    },
  ));
});

Deno.test("two large columns that would meet are put apart", () => {
  const values = Float32Array.of(9, 8, 7, 6, 1, 1, 1, 1), matrix = { rows: 1, cols: 8, values };
  const present = Uint32Array.from({ length: 8 }, (_, j) => j), pattern = { n: 2, m: 4 };
  assertEquals(retained(matrix, pattern, present), 9 + 8 + 1 + 1);
  const order = regroup(matrix, pattern);
  assertEquals(retained(matrix, pattern, order), 9 + 8 + 7 + 6);
  assert(new Set(order).size === 8);
});
