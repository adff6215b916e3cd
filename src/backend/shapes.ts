/**
 * The shapes that each operation of a {@linkcode Backend} takes, checked in one place for every realisation. Each
 * function throws a `RangeError` that says what was expected and what was found; a realisation calls it first.
 */
import {
  type AttentionOptions,
  BYTES,
  type Choice,
  type CrossEntropyOptions,
  type Dtype,
  type EliminationFormula,
  type Formula,
  type InverseFactor,
  type MapFunction,
  type Mask,
  type NormOptions,
  type RotateOptions,
  type Selection,
  type Tensor,
} from "./backend.ts";

/** Throws unless what was found is what was expected. */
function expect(what: string, expected: number | string, found: number | string): void {
  if (expected !== found) throw new RangeError(`${what}: expected ${expected}, found ${found}`);
}

function expectMultiple(what: string, unit: number, found: number): void {
  if (!(unit > 0 && found % unit === 0)) {
    throw new RangeError(`${what}: expected a multiple of ${unit}, found ${found}`);
  }
}

function expectAtMost(what: string, most: number, found: number): void {
  if (!(found <= most)) throw new RangeError(`${what}: expected at most ${most}, found ${found}`);
}

function expectPositive(what: string, found: number): void {
  if (!(found > 0 && found < Infinity)) throw new RangeError(`${what}: expected a number above 0, found ${found}`);
}

function expectCount(what: string, found: number): void {
  if (!(Number.isInteger(found) && found >= 1)) {
    throw new RangeError(`${what}: expected a whole number from 1 on, found ${found}`);
  }
}

function expectShape(what: string, rows: number, cols: number, found: { rows: number; cols: number }): void {
  expect(what, `${rows} x ${cols}`, `${found.rows} x ${found.cols}`);
}

function expectFloats(what: string, ...tensors: readonly Tensor[]): void {
  for (const { dtype } of tensors) expect(`${what}: dtype`, "F32", dtype);
}

function expectSparsity(what: string, sparsity: number): void {
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw new RangeError(`${what}: sparsity: expected 0 to below 1, found ${sparsity}`);
  }
}

/** See {@linkcode Backend.upload}. */
export function upload(bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): void {
  expect(`upload: bytes of ${rows} x ${cols} ${dtype}`, rows * cols * BYTES[dtype], bytes.length);
}

/** See {@linkcode Backend.embed}. */
export function embed(out: Tensor, ids: Uint32Array, table: Tensor): void {
  expectFloats("embed: out", out);
  expectShape("embed: out", ids.length, table.cols, out);
}

/** See {@linkcode Backend.linear}. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): void {
  expectFloats("linear: x", x);
  expect("linear: columns of x", weight.cols, x.cols);
  if (bias) expectShape("linear: bias", 1, weight.rows, bias);
}

/** See {@linkcode Backend.norm}. */
export function norm(x: Tensor, gain: Tensor, { bias }: NormOptions): void {
  expectFloats("norm: x", x);
  expectMultiple("norm: columns of x", gain.cols, x.cols);
  expectAtMost("norm: rows of the gain", x.cols / gain.cols, gain.rows);
  if (bias) expectShape("norm: bias", gain.rows, gain.cols, bias);
}

/** See {@linkcode Backend.rotate}. */
export function rotate(x: Tensor, angles: Tensor, { headDim }: RotateOptions): void {
  expectFloats("rotate", x, angles);
  expectMultiple("rotate: columns of the angles", 2, angles.cols);
  expectMultiple("rotate: columns of x", headDim, x.cols);
  expectAtMost("rotate: columns of the angles", headDim, angles.cols);
  expectAtMost("rotate: rows of x", angles.rows, x.rows);
}

/** See {@linkcode Backend.attention}. */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): void {
  const { offsets, heads, kvHeads, window, softCap, slopes } = options;
  expectFloats("attention", q, k, v);
  expectMultiple("attention: heads", kvHeads, heads);
  expectMultiple("attention: columns of q", heads, q.cols);
  expectShape("attention: k", q.rows, q.cols / heads * kvHeads, k);
  expectShape("attention: v", q.rows, q.cols / heads * kvHeads, v);
  expect("attention: first offset", 0, offsets[0]);
  expect("attention: last offset", q.rows, offsets[offsets.length - 1]);
  for (let i = 1; i < offsets.length; i++) {
    if (!(offsets[i] > offsets[i - 1])) {
      throw new RangeError(`attention: offset ${i}: expected more than ${offsets[i - 1]}, found ${offsets[i]}`);
    }
  }
  if (window !== undefined) expectCount("attention: window", window);
  if (softCap !== undefined) expectPositive("attention: cap", softCap);
  if (slopes) expect("attention: slopes", heads, slopes.length);
}

/** See {@linkcode Backend.map}. */
export function map(x: Tensor, fn: MapFunction): void {
  expectFloats("map: x", x);
  if (fn.kind === "soft_cap") expectPositive("map: cap", fn.cap);
}

/** See {@linkcode Backend.slice}. */
export function slice(x: Tensor, first: number, width: number, period: number): void {
  expectFloats("slice: x", x);
  expectMultiple("slice: columns of x", period, x.cols);
  if (!(Number.isInteger(first) && first >= 0)) {
    throw new RangeError(`slice: first column: expected a whole number from 0 on, found ${first}`);
  }
  expectCount("slice: columns", width);
  expectAtMost("slice: end of the columns", period, first + width);
}

/** See {@linkcode Backend.gate} and {@linkcode Backend.add}. */
export function elementwise(what: string, x: Tensor, y: Tensor): void {
  expectFloats(what, x, y);
  expectShape(`${what}: the second`, x.rows, x.cols, y);
}

/** See {@linkcode Backend.crossEntropy}. */
export function crossEntropy(
  state: Tensor,
  hidden: Tensor,
  head: Tensor,
  targets: Uint32Array,
  { softCap }: CrossEntropyOptions,
): void {
  expectFloats("crossEntropy: state and hidden", state, hidden);
  expectShape("crossEntropy: state", hidden.rows, 3, state);
  expect("crossEntropy: columns of the head", hidden.cols, head.cols);
  expect("crossEntropy: targets", hidden.rows, targets.length);
  if (softCap !== undefined) expectPositive("crossEntropy: cap", softCap);
}

/** See {@linkcode Backend.addRows}. */
export function addRows(out: Tensor, x: Tensor, rows: Uint32Array, weights: Float32Array): void {
  expectFloats("addRows", out, x);
  expect("addRows: columns", out.cols, x.cols);
  expect("addRows: rows", x.rows, rows.length);
  expect("addRows: weights", x.rows, weights.length);
  const seen = new Set<number>();
  for (const row of rows) {
    expectAtMost("addRows: row", out.rows - 1, row);
    if (seen.has(row)) throw new RangeError(`addRows: expected different rows, found ${row} twice`);
    seen.add(row);
  }
}

/** See {@linkcode Backend.addSquares}. */
export function addSquares(sums: Tensor, x: Tensor): void {
  expectFloats("addSquares", sums, x);
  expectShape("addSquares: sums", 2, x.cols, sums);
}

/** See {@linkcode Backend.addGram}. */
export function addGram(sums: Tensor, x: Tensor): void {
  expectFloats("addGram", sums, x);
  expectShape("addGram: sums", 2 * x.cols, x.cols, sums);
}

/** See {@linkcode Backend.merge}. */
export function merge(sums: Tensor, other: Tensor): void {
  finish(sums);
  elementwise("merge", sums, other);
}

/** See {@linkcode Backend.finish}. */
export function finish(sums: Tensor): void {
  expectFloats("sums", sums);
  expectMultiple("sums: rows", 2, sums.rows);
}

/** See {@linkcode Backend.score}. */
export function score(weight: Tensor, formula: Formula | EliminationFormula): void {
  if (formula.kind === "magnitude" || formula.kind === "curvature") return;
  expectFloats("score: statistic", formula.statistic);
  expectShape("score: statistic", 1, weight.cols, formula.statistic);
}

/** See {@linkcode Backend.selectSmallest}. */
export function selectSmallest(scores: Tensor, { group, sparsity }: Selection): void {
  expectFloats("selectSmallest: scores", scores);
  expectSparsity("selectSmallest", sparsity);
  if (group !== "column") expectCount("selectSmallest: rows of a group", group);
}

/** See {@linkcode Backend.selectGroups}. */
export function selectGroups(scores: Tensor, n: number, m: number): void {
  expectFloats("selectGroups: scores", scores);
  expectGroups("selectGroups: columns of the scores", scores.cols, n, m);
}

function expectGroups(what: string, cols: number, n: number, m: number): void {
  expectMultiple(what, m, cols);
  if (!(Number.isInteger(n) && n >= 0 && n <= m)) throw new RangeError(`${what}: n: expected 0 to ${m}, found ${n}`);
}

/** See {@linkcode Backend.selectCumulative}. */
export function selectCumulative(scores: Tensor, sparsity: number): void {
  expectFloats("selectCumulative: scores", scores);
  expectSparsity("selectCumulative", sparsity);
}

/** See {@linkcode Backend.apply}. */
export function apply(weight: Tensor, mask: Mask): void {
  expectShape("apply: mask", weight.rows, weight.cols, mask);
}

/** See {@linkcode Backend.error}. */
export function error(before: Tensor, after: Tensor, moment: Tensor): void {
  expectFloats("error: moment", moment);
  expectShape("error: after", before.rows, before.cols, after);
  expectShape("error: moment", moment.rows === 1 ? 1 : before.cols, before.cols, moment);
}

/** See {@linkcode Backend.countAbove}. */
export function countAbove(scores: Tensor): void {
  expectFloats("countAbove: scores", scores);
}

/** See {@linkcode Backend.inverseFactor}. */
export function inverseFactor(hessian: Tensor, damping: number): void {
  expectFloats("inverseFactor: hessian", hessian);
  expectShape("inverseFactor: hessian", hessian.cols, hessian.cols, hessian);
  if (!(damping >= 0 && damping < Infinity)) {
    throw new RangeError(`inverseFactor: damping: expected 0 or more, found ${damping}`);
  }
}

/** See {@linkcode Backend.eliminate}. */
export function eliminate(weight: Tensor, { upper, dead }: InverseFactor, choice: Choice, block: number): void {
  expectFloats("eliminate: factor", upper, dead);
  expectShape("eliminate: factor", weight.cols, weight.cols, upper);
  expectShape("eliminate: dead columns", 1, weight.cols, dead);
  expectCount("eliminate: columns of a block", block);
  if (choice.kind === "mask") return expectShape("eliminate: mask", weight.rows, weight.cols, choice.mask);
  score(weight, choice.formula);
  if (choice.kind === "threshold") expectSparsity("eliminate", choice.sparsity);
  else expectGroups("eliminate: columns of the weight", weight.cols, choice.n, choice.m);
}
