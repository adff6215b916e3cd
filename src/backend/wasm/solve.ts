/**
 * SparseGPT's solve (`kernels/src/factor.rs`, `eliminate.rs`) and the parts of the iterative ones (`combine.rs`,
 * `conjugate.rs`, `equilibrate.rs`): each operation queues its kernels. Only the inverse factor waits, since whether a pivot
 * fails depends on the numbers.
 */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type {
  AssignOptions,
  Choice,
  CombineOptions,
  Descent,
  EliminationFormula,
  InverseFactor,
  Term,
} from "../backend.ts";
import { FORMULA_CODES } from "../codes.ts";
import type { Engine } from "./engine.ts";
import { OutOfMemory } from "./heap.ts";
import { withHistograms } from "./prune.ts";
import { type Owned, type WasmMask, WasmTensor } from "./tensor.ts";

/** How often the damping is raised tenfold (`Backend.inverseFactor`). */
const RAISES = 3;
/** Whom the time of a factor is counted for. */
const NAME = "inverseFactor";
/**
 * The largest error of a factor in f32, relative to its size, as `kernels/src/residual.rs` finds it; beyond it f64 begins
 * again. The promise is 1e-4, and the finding was 0.9 times the truth at the least.
 */
const TOLERANCE = 7e-5;
/** See `Backend.inverseFactor`. */
export async function inverseFactor(
  engine: Engine,
  hessian: WasmTensor,
  damping: number,
): Promise<InverseFactor | undefined> {
  using scope = new DisposableStack();
  const dead = scope.use(engine.tensor(1, hessian.cols));
  // Ten times no damping is none.
  for (let attempt = 0; attempt <= (damping > 0 ? RAISES : 0); attempt++) {
    const tried = damping * 10 ** attempt;
    const job = { engine, hessian: hessian.offset, n: hessian.cols, damping: tried, dead: dead.offset };
    const found = await factorF32(job);
    const upper = found instanceof WasmTensor
      ? found
      : await factorF64(job).catch(found === "inexact" ? keepInexact(job) : undefined);
    if (!upper) continue;
    const owned = scope.move();
    owned.use(upper);
    return { upper, dead, damping: tried, [Symbol.dispose]: () => owned.dispose() };
  }
}

/** One attempt at a factor. */
interface Attempt {
  readonly engine: Engine;
  readonly hessian: number;
  readonly n: number;
  readonly damping: number;
  readonly dead: number;
}

/** Where there is no room for the same in f64 (8n² bytes: 1.6 GB at n = 14336), an inexact factor is what there is. */
function keepInexact(attempt: Attempt): (error: unknown) => Promise<WasmTensor | undefined> {
  return async (error) => {
    if (!(error instanceof OutOfMemory)) throw error;
    const again = await factorF32(attempt, Infinity);
    return again instanceof WasmTensor ? again : undefined;
  };
}

/**
 * In f32: the factor, or what became of it: `failed` by a pivot, `inexact` if it is too far from the truth. It is let go of
 * then, so that f64 has its room: a large one lies where the sums of the Hessian lay, which are as large as one in f64.
 */
async function factorF32(attempt: Attempt, tolerance = TOLERANCE): Promise<WasmTensor | "inexact" | "failed"> {
  const { engine, hessian, n, damping } = attempt;
  using scope = new DisposableStack();
  const upper = scope.use(engine.tensor(n, n));
  using failed = engine.tensor(1, 1), residual = engine.tensor(1, 1);
  sweep(attempt, false, upper.offset, failed.offset);
  engine.scratch(kernels.residual_scratch(n) * 8, (vectors) => {
    engine.run(NAME, "residual_signs", n, vectors);
    engine.run(NAME, "residual_0", upper.offset, n, vectors);
    engine.run(NAME, "residual_1", upper.offset, n, vectors);
    engine.run(NAME, "residual_2", hessian, n, damping, vectors);
    engine.run(NAME, "residual_3", upper.offset, n, vectors);
    engine.run(NAME, "residual_norm", n, vectors, residual.offset);
  });
  const [state, error] = await engine.team.fence([failed, residual]);
  if (new Uint32Array(state.buffer)[0] !== 0) return "failed";
  // NaN is no error that is small enough.
  if (!(new Float32Array(error.buffer)[0] <= tolerance)) return "inexact";
  scope.move(); // its taker disposes of it
  return upper;
}

/** In f64, rounded once; undefined if a pivot failed. */
async function factorF64(attempt: Attempt): Promise<WasmTensor | undefined> {
  const { engine, n } = attempt;
  using scope = new DisposableStack();
  using failed = engine.tensor(1, 1);
  let upper: WasmTensor | undefined;
  engine.scratch(n * n * 8, (u) => {
    upper = scope.use(engine.tensor(n, n));
    sweep(attempt, true, u, failed.offset);
    engine.run(NAME, "factor_round", u, n, upper.offset);
  });
  const [state] = await engine.team.fence([failed]);
  if (new Uint32Array(state.buffer)[0] !== 0) return;
  scope.move(); // its taker disposes of it
  return upper;
}

function sweep({ engine, hessian, n, damping, dead }: Attempt, wide: boolean, u: number, failed: number): void {
  engine.run(NAME, "factor_start", wide, hessian, n, damping, u, dead, failed);
  engine.run(NAME, "factor_pivot", wide, n, u, failed);
  engine.scratch(kernels.factor_scratch(n) * (wide ? 8 : 4), (scratch) => {
    for (let k = kernels.factor_steps(n) - 1; k >= 0; k--) {
      engine.run(NAME, "factor_panel", wide, n, k, u, failed, scratch);
      if (k > 0) engine.run(NAME, "factor_update", wide, n, k, u, failed, scratch);
    }
  });
}

/** See `Backend.eliminate`. */
export function eliminate(
  engine: Engine,
  weight: WasmTensor,
  factor: Owned<InverseFactor>,
  choice: Owned<Choice>,
  block: number,
): WasmMask {
  const w = weight, upper = factor.upper, dead = factor.dead, name = "eliminate";
  return engine.filled(engine.mask(w.rows, w.cols), (removed) => {
    engine.run(name, "zero", removed.offset, removed.bytes);
    using wide = w.dtype === "F32" ? undefined : convert(engine, name, w, engine.tensor(w.rows, w.cols));
    columns(engine, wide ?? w, upper, dead, choice, block, removed);
    if (wide) convert(engine, name, wide, w);
  });
}

/** Writes a tensor in the dtype of another. */
function convert(engine: Engine, operation: string, from: WasmTensor, to: WasmTensor): WasmTensor {
  engine.run(operation, "convert", from.offset, from.code, from.rows * from.cols, to.offset, to.code);
  return to;
}

/** The elimination of an F32 weight, block by block. */
function columns(
  engine: Engine,
  { offset, rows, cols }: WasmTensor,
  upper: WasmTensor,
  dead: WasmTensor,
  choice: Owned<Choice>,
  block: number,
  removed: WasmMask,
): void {
  const name = "eliminate";
  engine.run(name, "clear_dead", offset, rows, cols, dead.offset);
  if (choice.kind === "threshold" && choice.sparsity === 0) return;
  const m = choice.kind === "groups" ? choice.m : 1;
  // A group of n:m lies in one block.
  const most = Math.min(cols, Math.ceil(block / m) * m);
  using worth = engine.tensor(1, cols);
  const code = choice.kind === "mask" ? 0 : queueWorth(engine, choice.formula, upper, worth);
  engine.scratch(engine.workers * kernels.eliminate_scratch(most) * 4, (errors) => {
    for (let first = 0; first < cols; first += most) {
      const count = Math.min(most, cols - first);
      engine.scratch(kernels.block_strips(cols, first, count, m) * 4, (strips) => {
        const where = [offset, rows, cols, first, count, strips, removed.offset] as const;
        engine.run(name, "pack_block", upper.offset, cols, first, count, m, strips);
        if (choice.kind === "mask") {
          engine.run(name, "eliminate_marked", ...where, choice.mask.offset, errors);
        } else if (choice.kind === "threshold") {
          const k = Math.floor(rows * count * choice.sparsity) + 1;
          using scores = engine.tensor(rows, count);
          engine.run(name, "score_block", offset, rows, cols, first, count, code, worth.offset, scores.offset);
          withHistograms(engine, name, scores.offset, rows * count, k, (histograms) => {
            engine.run(name, "eliminate_below", ...where, code, worth.offset, histograms, k, errors);
          });
        } else {
          engine.scratch(engine.workers * kernels.groups_scratch(m) * 4, (chosen) => {
            engine.run(name, "eliminate_groups", ...where, m - choice.n, m, code, worth.offset, errors, chosen);
          });
        }
      });
    }
  });
}

/** Queues what of a weight's worth belongs to its column; gives the formula's number. */
function queueWorth(engine: Engine, formula: Owned<EliminationFormula>, upper: WasmTensor, worth: WasmTensor): number {
  const from = formula.kind === "activation" ? formula.statistic : upper;
  engine.run("eliminate", "worth", FORMULA_CODES[formula.kind], from.offset, worth.cols, worth.offset);
  return FORMULA_CODES[formula.kind];
}

/** See `Backend.equilibrate`. */
export function equilibrate(engine: Engine, matrix: WasmTensor, scale: WasmTensor): WasmTensor {
  const out = engine.tensor(matrix.rows, matrix.cols);
  engine.run("equilibrate", "equilibrate", matrix.offset, matrix.cols, scale.offset, out.offset);
  return out;
}

/** See `Backend.combine`. */
export function combine(engine: Engine, terms: readonly Owned<Term>[], options?: Owned<CombineOptions>): WasmTensor {
  const [{ tensor: { rows, cols } }] = terms, out = engine.tensor(rows, cols);
  sum(engine, "combine", terms, out, options);
  return out;
}

/** See `Backend.combineInto`. */
export function combineInto(engine: Engine, terms: readonly Owned<Term>[], options?: Owned<CombineOptions>): void {
  sum(engine, "combineInto", terms, terms[0].tensor, options);
}

/** Writes a combination: each number is read, of all terms, before it is written. */
function sum(
  engine: Engine,
  operation: string,
  terms: readonly Owned<Term>[],
  out: WasmTensor,
  { mask, columns }: Owned<CombineOptions> = {},
): void {
  type Kernel = [offset: number, dtype: number, kept: number, removed: number, columns: number];
  const term = (at: number): Kernel => {
    if (at >= terms.length) return [0, 0, 0, 0, 0];
    const { tensor, kept, removed = kept, unscaled } = terms[at];
    return [tensor.offset, tensor.code, kept, removed, unscaled ? 0 : columns?.offset ?? 0];
  };
  // deno-fmt-ignore
  engine.run(operation, "combine", out.rows, out.cols, ...term(0), ...term(1), ...term(2), mask?.offset ?? 0, out.offset);
}

/** See `Backend.conjugate`. */
export function conjugate(engine: Engine, { x, r, p }: Owned<Descent>, product: WasmTensor, mask: WasmMask): void {
  // deno-fmt-ignore
  engine.run("conjugate", "conjugate", x.offset, r.offset, p.offset, x.rows, x.cols, product.offset, mask.offset);
}

/** See `Backend.assign`. */
export function assign(engine: Engine, weight: WasmTensor, values: WasmTensor, { key }: AssignOptions = {}): void {
  if (key === undefined) convert(engine, "assign", values, weight);
  else engine.run("assign", "round_stochastic", values.offset, values.rows * values.cols, key, weight.offset);
}

/** See `Backend.maskRows`. */
export function maskRows(engine: Engine, mask: WasmMask, first: number, rows: number): WasmMask {
  const out = engine.mask(rows, mask.cols), rowBytes = mask.bytes / mask.rows;
  engine.run("maskRows", "copy", mask.offset + first * rowBytes, out.bytes, out.offset);
  return out;
}
