/** Claims about `zeros`, `density`, `extremes` and `histogram`: what is told of a weight's numbers, all of it exact. */
import { assertHeld, assertMasks, contract, type Expected, type ExpectedMask } from "./contract.ts";
import { draw, DTYPES, edge, INTEGERS, type Matrix, matrix, NORMAL, SPREAD, STEPS } from "./matrices.ts";
import { remembered } from "./remembered.ts";

const shapes = (long: number) => [[1, 1], [1, 129], [129, 1], [3, 33], [33, 65], [65, 64], [2, long]];

/** Numbers of which many are 0. */
const drawn = (seed: number, rows: number, cols: number): Matrix =>
  draw(seed, rows, cols, DTYPES[seed % 3], seed % 2 ? STEPS : INTEGERS);

/** Numbers of one row. */
const rowOf = ({ values, cols }: Matrix, row: number) => [...values.subarray(row * cols, (row + 1) * cols)];

/** In f64, whose 53 bits hold a number of 24 times a number of bins, and tell their quotient from every whole number. */
const counted = remembered(({ values }: Matrix, bins: number): number[] => {
  const sizes = values.map(Math.abs), greatest = sizes.reduce((a, b) => Math.max(a, b)), counts = Array(bins).fill(0);
  for (const size of sizes) counts[Math.min(Math.floor(size * bins / (greatest || 1)), bins - 1)]++;
  return [...counts, ...Array(bins).fill(0)];
});

contract("distribution", (claim) => {
  claim("zeros of either sign are removed, and nothing else, however small", async ({ backend, hold, keep, long }) => {
    const expected = DTYPES.flatMap((dtype) =>
      shapes(long).flatMap(([rows, cols], seed) =>
        [STEPS, edge(dtype)].map((each): ExpectedMask => {
          const weight = draw(seed, rows, cols, dtype, each), held = keep(backend.zeros(hold(weight)));
          const removes = (i: number, j: number) => weight.values[i * cols + j] === 0;
          return { what: `${rows} x ${cols} ${dtype}`, held, removes };
        })
      )
    );
    await assertMasks(backend, expected);
  });

  claim(
    "every removed weight is counted in its cell, whole rows and columns each",
    async ({ backend, hold, keep, long }) => {
      const expected = shapes(long).flatMap(([rows, cols], seed) => {
        const weight = drawn(seed, rows, cols), mask = keep(backend.zeros(hold(weight)));
        const cells = [[1, 1], [Math.min(64, rows), Math.min(64, cols)], [rows, 1], [
          Math.min(7, rows),
          Math.min(5, cols),
        ]];
        return cells.map(([down, across]): Expected => {
          const values = new Float64Array(down * across);
          // The last cell that begins at or before.
          const cell = (at: number, size: number, cells: number) => Math.ceil((at + 1) * cells / size) - 1;
          weight.values.forEach((value, at) => {
            const place = cell(Math.floor(at / cols), rows, down) * across + cell(at % cols, cols, across);
            values[place] += Number(value === 0);
          });
          const held = keep(backend.density(mask, down, across));
          return { what: `${rows} x ${cols} in ${down} x ${across}`, held, values };
        });
      });
      await assertHeld(backend, expected);
    },
  );

  claim("extremes part what the mask removes in each row from what it keeps", async ({ backend, hold, keep, long }) => {
    const expected = DTYPES.flatMap((dtype) =>
      shapes(long).map(([rows, cols], seed): Expected => {
        const values = draw(seed, rows, cols, dtype, NORMAL), scores = draw(seed + 9, rows, cols, "F32", STEPS);
        const mask = keep(backend.zeros(hold(scores)));
        const sizes = (row: number, removed: boolean) =>
          rowOf(values, row).map(Math.abs).filter((_, col) => (scores.values[row * cols + col] === 0) === removed);
        return {
          what: `${rows} x ${cols} ${dtype}`,
          held: keep(backend.extremes(hold(values), mask)),
          values: Array.from({ length: rows }, (_, row) => {
            const removed = sizes(row, true), kept = sizes(row, false);
            return [
              removed.reduce((a, b) => Math.max(a, b), -1),
              kept.reduce((a, b) => Math.min(a, b), Infinity),
              kept.reduce((a, b) => Math.max(a, b), -1),
            ];
          }).flat(),
        };
      })
    );
    await assertHeld(backend, expected);
  });

  claim("extremes of nothing are below and above all numbers", async ({ backend, hold, keep }) => {
    const values = hold(matrix(2, 3, "F32", [0, 0, 0, 1, -2, 0])), ones = hold(matrix(2, 3, "F32", [0, 0, 0, 1, 1, 1]));
    const held = keep(backend.extremes(values, keep(backend.zeros(ones))));
    await assertHeld(backend, [{ what: "rows", held, values: [0, Infinity, -1, -1, 0, 2] }]);
  });

  claim("a histogram counts every number in its bin", async ({ backend, hold, keep, long }) => {
    const expected = DTYPES.flatMap((dtype) =>
      shapes(long).flatMap(([rows, cols], seed) =>
        [STEPS, NORMAL, SPREAD, edge(dtype)].map((each, i): Expected => {
          const values = draw(seed, rows, cols, dtype, each), bins = [128, 1, 100, 256][i];
          const held = keep(backend.histogram(hold(values), bins));
          return { what: `${rows} x ${cols} ${dtype}, ${bins} bins`, held, values: counted(values, bins) };
        })
      )
    );
    await assertHeld(backend, expected);
  });

  claim(
    "a number on an edge is in the bin above it, its neighbour below it is not",
    async ({ backend, hold, keep }) => {
      const expected = [1, 3, 0.7, 1e-38, 3e38].map((greatest): Expected => {
        const edges = Float32Array.from({ length: 129 }, (_, bin) => greatest * (bin / 128));
        const bits = new Uint32Array(edges.buffer);
        const around = Uint32Array.from([...bits].flatMap((bits) => [bits, Math.max(0, bits - 1)]));
        const values = matrix(2, 129, "F32", new Float32Array(around.buffer));
        return {
          what: String(greatest),
          held: keep(backend.histogram(hold(values), 128)),
          values: counted(values, 128),
        };
      });
      await assertHeld(backend, expected);
    },
  );

  claim("zeros alone are in the first bin", async ({ backend, keep }) => {
    const held = keep(backend.histogram(keep(backend.allocate(5, 7, "BF16")), 3));
    await assertHeld(backend, [{ what: "zeros", held, values: [35, 0, 0, 0, 0, 0] }]);
  });
});
