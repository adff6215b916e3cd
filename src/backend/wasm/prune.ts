/** Scores, selections, masks and what they cost: each operation makes its output and queues its kernels (`kernels/src/`). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Formula, Selection } from "../backend.ts";
import type { Engine } from "./engine.ts";
import type { Owned, WasmMask, WasmTensor } from "./tensor.ts";

/** Scores of a group that one worker selects alone, from its second-level cache (256 KiB); longer ones take all. */
const LONG = 65536;
/** Evaluations after which the published search of `selectCumulative` has ended: 0.8 / 2^10 is below 0.001. */
const STEPS = 11;

/** See `Backend.score`. */
export function score(engine: Engine, weight: WasmTensor, formula: Owned<Formula>): WasmTensor {
  const w = weight;
  const statistic = formula.kind === "magnitude" ? 0 : formula.statistic.offset;
  return engine.filled(engine.tensor(w.rows, w.cols), (out) => {
    if (formula.kind !== "relative") {
      return engine.run("score", "score", w.offset, w.code, w.rows, w.cols, statistic, out.offset);
    }
    engine.scratch(kernels.absolute_scratch(w.rows, w.cols) * 8, (sums) => {
      engine.run("score", "absolute_parts", w.offset, w.code, w.rows, w.cols, sums);
      engine.run("score", "relative", w.offset, w.code, w.rows, w.cols, statistic, sums, out.offset);
    });
  });
}

/** See `Backend.selectSmallest`. */
export function selectSmallest(engine: Engine, scores: WasmTensor, selection: Selection): WasmMask {
  const name = "selectSmallest";
  const s = scores;
  const { group, sparsity, rule } = selection;
  const { rows, cols } = s;
  const all = rule === "threshold";
  const rank = (size: number) => sparsity === 0 ? 0 : Math.floor(size * sparsity) + Number(all);
  return engine.filled(engine.mask(rows, cols), (mask) => {
    if (group === "column") {
      return engine.scratch(engine.workers * kernels.columns_scratch(rows) * 4, (scratch) => {
        engine.run(name, "select_columns", s.offset, rows, cols, rank(rows), all, mask.offset, scratch);
      });
    }
    const height = Math.min(group, rows);
    const last = rows % height || height;
    if (height * cols <= LONG) {
      // deno-fmt-ignore
      return engine.run(name, "select_rows", s.offset, rows, cols, height, rank(height * cols), rank(last * cols), all,
        mask.offset);
    }
    for (let row = 0; row < rows; row += height) {
      const size = Math.min(height, rows - row) * cols;
      selectLong(engine, s, row, size, rank(size), all, mask);
    }
  });
}

/** One group of `size` scores from row `first` on, all workers together (`kernels/src/select_long.rs`). */
function selectLong(
  engine: Engine,
  { offset, cols }: WasmTensor,
  first: number,
  size: number,
  k: number,
  all: boolean,
  mask: WasmMask,
): void {
  const name = "selectSmallest";
  const scores = offset + first * cols * 4;
  const bits = mask.offset + first * (mask.bytes / mask.rows);
  if (k === 0) return engine.run(name, "zero", bits, size / cols * (mask.bytes / mask.rows));
  const run = Math.ceil(LONG / cols) * cols;
  withHistograms(engine, name, scores, size, k, (histograms) => {
    engine.scratch(Math.ceil(size / run) * 4, (ties) => {
      engine.run(name, "count_ties", scores, size, run, k, histograms, ties);
      engine.run(name, "mark_long", scores, size, run, cols, k, all, histograms, ties, bits);
    });
  });
}

/** Queues the histograms of `size` scores that tell the `k`-th smallest, then what `use` queues with them. */
export function withHistograms(
  engine: Engine,
  operation: string,
  scores: number,
  size: number,
  k: number,
  use: (histograms: number) => void,
): void {
  const bytes = kernels.histogram_counts() * 4;
  engine.scratch(bytes, (histograms) => {
    engine.run(operation, "zero", histograms, bytes);
    for (let digit = 0; digit < 3; digit++) engine.run(operation, "count_digit", scores, size, k, digit, histograms);
    use(histograms);
  });
}

/** See `Backend.selectGroups`. */
export function selectGroups(engine: Engine, scores: WasmTensor, n: number, m: number): WasmMask {
  const s = scores;
  const mask = engine.mask(s.rows, s.cols);
  engine.run("selectGroups", "select_groups", s.offset, s.rows, s.cols, m - n, m, mask.offset);
  return mask;
}

/** See `Backend.selectCumulative`. */
export function selectCumulative(engine: Engine, scores: WasmTensor, sparsity: number): WasmMask {
  const name = "selectCumulative";
  const { rows, cols, offset } = scores;
  return engine.filled(engine.mask(rows, cols), (mask) => {
    engine.scratch((rows * cols + 2 * rows + STEPS) * 4, (sorted) => {
      const sums = sorted + rows * cols * 4;
      const thresholds = sums + rows * 4;
      const counts = thresholds + rows * 4;
      engine.run(name, "zero", counts, STEPS * 4);
      engine.run(name, "sort_rows", offset, rows, cols, sorted, sums);
      for (let step = 0; step < STEPS; step++) {
        engine.run(name, "cumulative_step", sorted, sums, rows, cols, sparsity, step, counts, thresholds);
      }
      engine.run(name, "mark_cumulative", offset, rows, cols, thresholds, mask.offset);
    });
  });
}

/** See `Backend.apply`. */
export function apply(engine: Engine, weight: WasmTensor, mask: WasmMask): void {
  const [w, m] = [weight, mask];
  engine.run("apply", "apply", w.offset, w.code, w.rows, w.cols, m.offset);
}

/** See `Backend.countAbove`. */
export function countAbove(engine: Engine, scores: WasmTensor, limit: number): WasmTensor {
  const s = scores;
  const out = engine.tensor(s.rows, 1);
  engine.run("countAbove", "count_above", s.offset, s.rows, s.cols, limit, out.offset);
  return out;
}

/** See `Backend.error`. */
export function error(engine: Engine, before: WasmTensor, after: WasmTensor, moment: WasmTensor): WasmTensor {
  const [b, a, m] = [before, after, moment];
  return engine.filled(engine.tensor(1, 2), ({ offset }) => {
    quadratic(engine, b, a, m, offset);
    quadratic(engine, b, undefined, m, offset + 4);
  });
}

/** `tr(D S Dᵀ)` of a difference (of `before` itself without `after`) into one f32 (`kernels/src/error.rs`). */
function quadratic(
  engine: Engine,
  before: WasmTensor,
  after: WasmTensor | undefined,
  moment: WasmTensor,
  out: number,
): void {
  const name = "error";
  const { rows, cols } = before;
  const full = moment.rows > 1 || cols === 1;
  const most = Math.min(rows, kernels.gram_run());
  const count = full ? kernels.gram_blocks(cols) : kernels.diagonal_sums(cols);
  engine.scratch(count * 8, (sums) => {
    engine.run(name, "zero", sums, count * 8);
    engine.scratch(most * cols * 4, (d) => {
      engine.scratch(kernels.gram_scratch(most, cols) * 4, (strips) => {
        for (let first = 0; first < rows; first += most) {
          const some = Math.min(most, rows - first);
          // deno-fmt-ignore
          engine.run(name, "difference", before.offset, before.code, after?.offset ?? 0, after?.code ?? 0, first, some,
            cols, d);
          if (full) {
            engine.run(name, "pack_gram", d, some, cols, strips);
            engine.run(name, "add_moment", strips, some, cols, moment.offset, sums);
          } else engine.run(name, "add_diagonal", d, some, cols, moment.offset, sums);
        }
      });
    });
    engine.run(name, "total", sums, count, out);
  });
}
