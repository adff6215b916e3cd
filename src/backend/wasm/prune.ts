/** Scores, selections and masks: each operation checks its shapes, makes its output and queues its kernels. */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Formula, Mask, Selection, Tensor } from "../backend.ts";
import * as shapes from "../shapes.ts";
import { type Engine, own, ownMask } from "./engine.ts";
import type { WasmMask, WasmTensor } from "./tensor.ts";

/** Scores of a group that one worker selects alone, from its second-level cache (256 KiB); longer ones take all. */
const LONG = 65536;
/** Evaluations after which the published search of `selectCumulative` has ended: 0.8 / 2^10 is below 0.001. */
const STEPS = 11;

/** See `Backend.score`. */
export function score(engine: Engine, weight: Tensor, formula: Formula): WasmTensor {
  shapes.score(weight, formula);
  const w = own(weight);
  const statistic = formula.kind === "activation" ? own(formula.statistic).offset : 0;
  const out = engine.tensor(w.rows, w.cols);
  engine.run("score", "score", w.offset, w.code, w.rows, w.cols, statistic, out.offset);
  return out;
}

/** See `Backend.selectSmallest`. */
export function selectSmallest(engine: Engine, scores: Tensor, selection: Selection): WasmMask {
  shapes.selectSmallest(scores, selection);
  const name = "selectSmallest";
  const s = own(scores);
  const { group, sparsity, rule } = selection;
  const { rows, cols } = s;
  const all = rule === "threshold";
  const rank = (size: number) => sparsity === 0 ? 0 : Math.floor(size * sparsity) + Number(all);
  if (group === "column") {
    const mask = engine.mask(rows, cols);
    engine.scratch(engine.workers * kernels.columns_scratch(rows) * 4, (scratch) => {
      engine.run(name, "select_columns", s.offset, rows, cols, rank(rows), all, mask.offset, scratch);
    });
    return mask;
  }
  const mask = engine.mask(rows, cols);
  const height = Math.min(group, rows);
  const last = rows % height || height;
  if (height * cols <= LONG) {
    // deno-fmt-ignore
    engine.run(name, "select_rows", s.offset, rows, cols, height, rank(height * cols), rank(last * cols), all,
      mask.offset);
  } else {
    for (let row = 0; row < rows; row += height) {
      const size = Math.min(height, rows - row) * cols;
      selectLong(engine, s, row, size, rank(size), all, mask);
    }
  }
  return mask;
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
  const counts = kernels.histogram_counts();
  engine.scratch((counts + Math.ceil(size / run)) * 4, (histograms) => {
    const ties = histograms + counts * 4;
    engine.run(name, "zero", histograms, counts * 4);
    for (let digit = 0; digit < 3; digit++) engine.run(name, "count_digit", scores, size, k, digit, histograms);
    engine.run(name, "count_ties", scores, size, run, k, histograms, ties);
    engine.run(name, "mark_long", scores, size, run, cols, k, all, histograms, ties, bits);
  });
}

/** See `Backend.selectGroups`. */
export function selectGroups(engine: Engine, scores: Tensor, n: number, m: number): WasmMask {
  shapes.selectGroups(scores, n, m);
  const s = own(scores);
  const mask = engine.mask(s.rows, s.cols);
  engine.run("selectGroups", "select_groups", s.offset, s.rows, s.cols, m - n, m, mask.offset);
  return mask;
}

/** See `Backend.selectCumulative`. */
export function selectCumulative(engine: Engine, scores: Tensor, sparsity: number): WasmMask {
  shapes.selectCumulative(scores, sparsity);
  const name = "selectCumulative";
  const { rows, cols, offset } = own(scores);
  const mask = engine.mask(rows, cols);
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
  return mask;
}

/** See `Backend.apply`. */
export function apply(engine: Engine, weight: Tensor, mask: Mask): void {
  shapes.apply(weight, mask);
  const [w, m] = [own(weight), ownMask(mask)];
  engine.run("apply", "apply", w.offset, w.code, w.rows, w.cols, m.offset);
}
