/** What is drawn of a linear, against the plainest loops over plain numbers. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import type { Formula } from "../../src/backend/backend.ts";
import { maskBits } from "../../src/checkpoint/mask.ts";
import { drawings } from "../../src/run/measures.ts";
import { keptBits, measure as queue } from "../../src/stream/distribution.ts";
import { ReferenceBackend } from "../reference/backend.ts";

/** Numbers of a dtype and their bytes; the decoding is by DataView, one number at a time. */
const DTYPES = {
  F32: { width: 4, read: (view: DataView, at: number) => view.getFloat32(at, true) },
  F16: { width: 2, read: (view: DataView, at: number) => view.getFloat16(at, true) },
  BF16: {
    width: 2,
    read: (view: DataView, at: number) => {
      const wide = new DataView(new ArrayBuffer(4));
      wide.setUint16(0, view.getUint16(at, true));
      return wide.getFloat32(0);
    },
  },
} as const;

type Dtype = keyof typeof DTYPES;

function decode(bytes: Uint8Array, dtype: Dtype): number[] {
  const { width, read } = DTYPES[dtype], view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / width }, (_, at) => read(view, at * width));
}

function encode(values: number[], dtype: Dtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(Float32Array.from(values).buffer);
  if (dtype === "F16") return new Uint8Array(Float16Array.from(values).buffer);
  return new Uint8Array(
    Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16).buffer,
  );
}

/** A linear before and after it was pruned, and what its weights were worth. */
interface Pruned {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: Dtype;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly scores?: Formula["kind"];
  readonly statistic?: Float32Array;
}

/** What a run records of it: measured where it lies, then drawn. */
async function measure({ rows, cols, dtype, before, after, scores, statistic }: Pruned) {
  const backend = new ReferenceBackend();
  const measured = await (async () => {
    using held = new DisposableStack();
    const hold = (bytes: Uint8Array, height: number, dtype: Dtype) =>
      held.use(backend.upload(bytes, height, cols, dtype));
    const norms = statistic && hold(new Uint8Array(statistic.buffer), 1, "F32");
    const formula = scores && { kind: scores, statistic: norms } as Formula;
    const queued = queue(backend, hold(after, rows, dtype), hold(before, rows, dtype), formula, held);
    return queued.finish(await backend.read(...queued.held));
  })();
  assertEquals(backend.live, 0, "nothing is left on the backend");
  const { zeros, mask, distribution } = measured;
  return { zeros, kept: keptBits(mask, rows, cols), ...drawings(distribution!) };
}

/** Counts by comparing with each bin's edges, as rationals in f64: `128 v` against `bin * max`. */
function plainCounts(values: number[]): { max: number; counts: number[] } {
  const max = Math.max(...values), counts = Array(128).fill(0);
  for (const value of values) {
    let bin = 0;
    while (bin < 127 && value * 128 >= (bin + 1) * max && max > 0) bin++;
    counts[bin]++;
  }
  return { max, counts };
}

/** A linear of random size and numbers, pruned at random. */
const linears = fc.record({
  rows: fc.integer({ min: 1, max: 150 }),
  cols: fc.integer({ min: 1, max: 150 }),
  dtype: fc.constantFrom(...Object.keys(DTYPES) as Dtype[]),
  seed: fc.integer(),
  sparsity: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** Marsaglia's xorshift: any numbers will do. */
function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13, state ^= state >>> 17, state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function make(
  { rows, cols, dtype, seed, sparsity }: { rows: number; cols: number; dtype: Dtype; seed: number; sparsity: number },
) {
  const next = random(seed);
  // Small whole numbers among them, so that many lie on the edge of a bin.
  const values = Array.from({ length: rows * cols }, () => next() < 0.3 ? Math.floor(next() * 9) - 4 : next() - 0.5);
  const before = encode(values, dtype), numbers = decode(before, dtype);
  const after = encode(numbers.map((value) => next() < sparsity ? 0 : value), dtype);
  return { rows, cols, dtype, before, after, numbers, kept: decode(after, dtype).map((value) => value !== 0) };
}

Deno.test("histograms count what plain loops count, in every dtype, to the last weight", async () => {
  await fc.assert(fc.asyncProperty(linears, async (shape) => {
    const { numbers, ...linear } = make(shape);
    const { magnitudes } = await measure(linear);
    const { threshold: _, ...counted } = magnitudes;
    assertEquals(counted, plainCounts(numbers.map(Math.abs)));
  }));
});

Deno.test("scores are a magnitude, times its input's norm, or its share of row and column times the norm's root", async () => {
  await fc.assert(
    fc.asyncProperty(linears, async (shape) => {
      const { numbers, ...linear } = make(shape), next = random(shape.seed + 1), { rows, cols } = shape;
      const statistic = Float32Array.from({ length: cols }, next), sizes = numbers.map(Math.abs);
      const sum = (of: (at: number) => boolean) => sizes.reduce((sum, size, at) => of(at) ? sum + size : sum, 0);
      const rowSums = Array.from({ length: rows }, (_, row) => sum((at) => Math.floor(at / cols) === row));
      const colSums = Array.from({ length: cols }, (_, col) => sum((at) => at % cols === col));
      const count = async (scores: Pruned["scores"]) => {
        const { threshold: _, thresholds: __, ...counted } = (await measure({ ...linear, scores, statistic })).scores!;
        return counted;
      };
      assertEquals(await count("magnitude"), plainCounts(sizes));
      const activation = sizes.map((size, at) => Math.fround(size * Math.fround(Math.sqrt(statistic[at % cols]))));
      assertEquals(await count("activation"), plainCounts(activation));
      // In f64 here, in f32 there: a number at the edge of a bin may fall into the next one.
      const relative = plainCounts(
        sizes.map((size, at) =>
          size && size * (1 / rowSums[Math.floor(at / cols)] + 1 / colSums[at % cols]) * statistic[at % cols] ** 0.25
        ),
      );
      const found = await count("relative");
      assertAlmostEquals(found.max, relative.max, 1e-6 * relative.max);
      const apart = found.counts.reduce((apart, count, bin) => apart + Math.abs(count - relative.counts[bin]), 0);
      assert(apart <= 2 + 0.01 * sizes.length, `${apart} of ${sizes.length} in another bin`);
    }),
    { numRuns: 30 },
  );
});

Deno.test("a threshold is the least number that was kept, where one line parts the kept from the removed", async () => {
  const values = [1, 2, -3, 4, -5, 6], statistic = new Float32Array(6).fill(100);
  for (const dtype of Object.keys(DTYPES) as Dtype[]) {
    const thresholds = async (mask: number[]) => {
      const before = encode(values, dtype), after = encode(values.map((value, at) => value * mask[at]), dtype);
      const found = await measure({ rows: 1, cols: 6, dtype, before, after, scores: "activation", statistic });
      return [found.magnitudes.threshold, found.scores!.threshold];
    };
    assertEquals(await thresholds([0, 0, 0, 1, 1, 1]), [4, 40]);
    assertEquals(await thresholds([0, 1, 1, 1, 1, 1]), [2, 20]);
    assertEquals(await thresholds([0, 0, 1, 0, 1, 1]), [undefined, undefined], "3 was kept and 4 removed");
    assertEquals(await thresholds([1, 1, 1, 1, 1, 1]), [undefined, undefined], "nothing was removed");
    assertEquals(await thresholds([0, 0, 0, 0, 0, 0]), [undefined, undefined], "nothing was kept");
  }
});

Deno.test("pruning by layer has one threshold, by row the median of many among the scores, n:m none", async () => {
  const next = random(5), values = Array.from({ length: 64 * 64 }, () => next() - 0.5);
  const median = values.map(Math.abs).sort((a, b) => a - b)[2048];
  const layer = values.map((value) => Math.abs(value) < median ? 0 : value);
  const shape = { rows: 64, cols: 64, dtype: "F32" as const, before: encode(values, "F32") };
  const scores = "magnitude" as const;
  const byLayer = await measure({ ...shape, after: encode(layer, "F32"), scores });
  for (const found of [byLayer.magnitudes, byLayer.scores!]) {
    assertEquals([found.threshold, found.thresholds], [Math.fround(median), undefined]);
  }
  const rows = values.map((value, at) => {
    const row = values.slice(at - at % 64, at - at % 64 + 64).map(Math.abs).sort((a, b) => a - b);
    return Math.abs(value) < row[32] ? 0 : value;
  });
  const byRow = await measure({ ...shape, after: encode(rows, "F32"), scores });
  const lines = Array.from(
    { length: 64 },
    (_, row) => values.slice(row * 64, row * 64 + 64).map(Math.abs).sort((a, b) => a - b)[32],
  ).map(Math.fround).sort((a, b) => a - b);
  assertEquals(byRow.magnitudes.threshold, undefined);
  assertEquals([byRow.scores!.threshold, byRow.scores!.thresholds], [lines[32], [lines[0], lines[63]]]);
  const halves = values.map((value, at) => Math.abs(value) < Math.abs(values[at ^ 1]) ? 0 : value);
  assertEquals((await measure({ ...shape, after: encode(halves, "F32"), scores })).scores!.threshold, undefined);
});

Deno.test("a density map's cells are the shares of removed weights, and every weight is in one cell", async () => {
  await fc.assert(fc.asyncProperty(linears, async (shape) => {
    const { numbers: _, kept, ...linear } = make(shape);
    const { density } = await measure(linear), { rows, cols } = shape;
    const down = Math.min(64, rows), across = Math.min(64, cols);
    assertEquals([density.rows, density.cols], [down, across]);
    const removed = Array(down * across).fill(0), weights = Array(down * across).fill(0);
    for (let at = 0; at < rows * cols; at++) {
      const row = Math.floor(at / cols), col = at % cols;
      // The last cell whose first row (column) is not after this one.
      const cell = (index: number, cells: number, size: number) => {
        let found = 0;
        while (found + 1 < cells && Math.floor((found + 1) * size / cells) <= index) found++;
        return found;
      };
      const place = cell(row, down, rows) * across + cell(col, across, cols);
      removed[place] += Number(!kept[at]);
      weights[place]++;
    }
    const bytes = Uint8Array.from(atob(density.cells), (character) => character.charCodeAt(0));
    assertEquals(bytes.length, down * across);
    // Half a step of rounding, and no more.
    for (const [at, byte] of bytes.entries()) assert(Math.abs(byte - 255 * removed[at] / weights[at]) <= 0.5 + 1e-9);
  }));
});

Deno.test("the bits of what is kept are those that the bytes tell, and the zeros are counted", async () => {
  await fc.assert(fc.asyncProperty(linears, async (shape) => {
    const { numbers: _, kept, ...linear } = make(shape), found = await measure(linear);
    assertEquals(found.kept, maskBits(linear.after, linear.dtype));
    assertEquals(found.zeros, kept.filter((is) => !is).length);
  }));
});

Deno.test("a weight of zeros alone has a histogram too", async () => {
  const zeros = encode([0, 0, 0, 0], "F16");
  const { magnitudes } = await measure({ rows: 2, cols: 2, dtype: "F16", before: zeros, after: zeros });
  assertEquals([magnitudes.max, magnitudes.counts[0]], [0, 4]);
});
