/**
 * SparseGPT's update on the WebGPU backend, block by block of columns: the block is copied out and turned, eliminated with
 * a thread for each row, and put back; its errors then reach the columns to the right in one product.
 */
import type { Choice } from "../backend.ts";
import { DTYPE_CODES, FORMULA_CODES } from "../codes.ts";
import { type Device, line, THREADS, WORK_PER_DISPATCH, WORKGROUPS } from "./device.ts";
import { multiplyPacked, PACKED_BYTES } from "./linear.ts";
import { selectSmallest } from "./select.ts";
import { assign } from "./solve.ts";
import { type Owned, runsOf, type TiledMask, TiledTensor, zeroMask } from "./tensor.ts";
import { pad, padded, VECTOR } from "./vectors.ts";

/** The factor, on this device. */
export interface Factor {
  readonly upper: TiledTensor;
  readonly dead: TiledTensor;
}

/** Columns `[first, first + width)` of a weight. */
interface Block {
  readonly first: number;
  readonly width: number;
}

/** What an elimination works on. */
interface Elimination {
  /** Gets the bits of what goes. */
  readonly removed: TiledMask;
  readonly weight: TiledTensor;
  readonly upper: TiledTensor;
  readonly choice: Owned<Choice>;
  /** F32 1 x cols: what the formula takes of each column. */
  readonly column: TiledTensor;
  readonly formula: number;
}

/** See {@linkcode Backend.eliminate}. */
export function eliminate(
  device: Device,
  weight: TiledTensor,
  factor: Factor,
  choice: Owned<Choice>,
  block: number,
): TiledMask {
  const { cols } = weight;
  const { upper } = factor;
  const unit = choice.kind === "groups" ? choice.m : 1;
  const most = Math.ceil(block / unit) * unit;
  using work = widen(device, weight, factor.dead);
  using diagonal = diagonalOf(device, upper);
  const formula = choice.kind === "mask" ? { kind: "magnitude" } as const : choice.formula;
  const column = formula.kind === "activation" ? formula.statistic : diagonal;
  const removed = zeroMask(device, weight.rows, cols);
  const elimination = { removed, weight: work, upper, choice, column, formula: FORMULA_CODES[formula.kind] };
  for (let first = 0; first < cols; first += most) {
    const columns = { first, width: Math.min(most, cols - first) };
    using errors = eliminateBlock(device, elimination, columns);
    spread(device, elimination, columns, errors);
  }
  assign(device, weight, work);
  return removed;
}

/** An F32 copy of a weight with zeros in the dead columns. */
function widen(device: Device, weight: TiledTensor, dead: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, weight.rows, weight.cols, "F32");
  for (const { first, rows } of runsOf([weight, out])) {
    const work = rows * weight.cols;
    device.dispatch({
      shader: "widen",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype] },
      params: [rows, weight.cols, weight.placeOf(first), out.placeOf(first)],
      buffers: [weight.tileOf(first), dead.tiles[0], out.tileOf(first)],
      groups: line(work, THREADS),
      work,
    });
  }
  return out;
}

/** The diagonal of a square matrix, F32 1 x n. */
function diagonalOf(device: Device, matrix: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, 1, matrix.cols, "F32");
  for (const { first, rows } of runsOf([matrix], WORKGROUPS * THREADS)) {
    device.dispatch({
      shader: "diagonal",
      params: [rows, matrix.cols, first, matrix.placeOf(first)],
      buffers: [matrix.tileOf(first), out.tiles[0]],
      groups: [Math.ceil(rows / THREADS)],
      work: rows,
    });
  }
  return out;
}

/** The mask of a block that is chosen before it, and the block's first column in it. */
function maskOf(device: Device, { weight, choice, column, formula }: Elimination, { first, width }: Block) {
  if (choice.kind === "groups") return;
  if (choice.kind === "mask") return { mask: choice.mask, col: first, [Symbol.dispose]() {} };
  using scores = new TiledTensor(device, weight.rows, width, "F32");
  for (const run of runsOf([weight, scores])) {
    const work = run.rows * width;
    device.dispatch({
      shader: "eliminateScore",
      constants: { FORMULA: formula },
      params: [run.rows, weight.cols, weight.placeOf(run.first), scores.placeOf(run.first), first, width],
      buffers: [weight.tileOf(run.first), column.tiles[0], scores.tileOf(run.first)],
      groups: line(work, THREADS),
      work,
    });
  }
  const { sparsity } = choice;
  const mask = selectSmallest(device, scores, { group: Math.max(1, weight.rows), sparsity, rule: "threshold" });
  return { mask, col: 0, [Symbol.dispose]: () => mask[Symbol.dispose]() };
}

/** Eliminates within a block; the errors of its weights, in rows of whole vectors. */
function eliminateBlock(device: Device, elimination: Elimination, block: Block): TiledTensor {
  const { removed, weight, upper, choice, column, formula } = elimination;
  const { first, width } = block;
  const errors = new TiledTensor(device, weight.rows, padded(width), "F32");
  using chosen = maskOf(device, elimination, block);
  const words = chosen?.mask.words;
  const held = Math.min(
    weight.rows,
    WORKGROUPS * device.tuning.lanes,
    Math.max(1, Math.floor(device.bindingLimit / (4 * width))),
  );
  const turned = device.take(held * width * 4);
  const state = device.take(held * width * 4);
  for (let top = 0; top < weight.rows; top += held) {
    const end = Math.min(weight.rows, top + held);
    const rows = end - top;
    for (const run of runsOf(words ? [weight, words] : [weight], Infinity, top, end)) {
      const work = run.rows * width;
      device.dispatch({
        shader: "eliminateGather",
        constants: { MASKED: words ? 1 : 0 },
        params: [
          run.rows,
          weight.cols,
          weight.placeOf(run.first),
          first,
          width,
          rows,
          run.first - top,
          words?.cols ?? 0,
          words?.placeOf(run.first) ?? 0,
          chosen?.col ?? 0,
        ],
        buffers: [weight.tileOf(run.first), (words ?? weight).tileOf(run.first), turned, state],
        groups: line(work, THREADS),
        work,
      });
    }
    const most = Math.max(1, Math.floor(WORK_PER_DISPATCH / (rows * width)));
    for (const run of runsOf([upper], most, first, first + width)) {
      const begin = run.first - first;
      const [m, remove] = choice.kind === "groups" ? [choice.m, choice.m - choice.n] : [0, 0];
      device.dispatch({
        shader: "eliminate",
        constants: { FORMULA: formula, GROUPS: choice.kind === "groups" ? 1 : 0, THREADS: device.tuning.lanes },
        params: [rows, upper.cols, first, width, begin, begin + run.rows, upper.placeOf(run.first), m, remove],
        buffers: [upper.tileOf(run.first), column.tiles[0], turned, state],
        groups: [Math.ceil(rows / device.tuning.lanes)],
        work: rows * run.rows * width,
      });
    }
    for (const run of runsOf([weight, errors, removed.words], Infinity, top, end)) {
      const work = run.rows * errors.cols;
      device.dispatch({
        shader: "eliminateScatter",
        params: [
          run.rows,
          weight.cols,
          weight.placeOf(run.first),
          first,
          width,
          rows,
          run.first - top,
          errors.cols,
          errors.placeOf(run.first),
          removed.words.cols,
          removed.words.placeOf(run.first),
        ],
        buffers: [
          turned,
          state,
          weight.tileOf(run.first),
          errors.tileOf(run.first),
          removed.words.tileOf(run.first),
        ],
        groups: line(work, THREADS),
        work,
      });
    }
  }
  device.give(turned);
  device.give(state);
  return errors;
}

/**
 * Subtracts the errors' product with the block's rows of U from the columns to the right. Rows of U are the columns of the
 * product's weight, which is how linear.wgsl wants it packed.
 */
function spread(device: Device, { weight, upper }: Elimination, { first, width }: Block, errors: TiledTensor): void {
  const right = first + width;
  const left = weight.cols - right;
  if (left === 0) return;
  const inputs = errors.cols;
  const fit = Math.floor(Math.min(PACKED_BYTES, device.bindingLimit) / 4 / inputs / VECTOR) * VECTOR;
  const most = Math.min(padded(left), Math.max(VECTOR, fit));
  const packed = device.take(inputs * most * 4);
  for (let from = 0; from < left; from += most) {
    const count = Math.min(most, left - from);
    const stride = padded(count);
    if (width < inputs) device.clear(packed); // a product with 0 must not be one with NaN
    for (const run of runsOf([upper], Infinity, first, right)) {
      pad(
        device,
        {
          source: upper.tileOf(run.first),
          dtype: "F32",
          at: upper.placeOf(run.first) * upper.cols + right + from,
          stride: upper.cols,
          rows: run.rows,
          cols: count,
        },
        { out: packed, at: (run.first - first) * stride, stride, cols: stride },
      );
    }
    using product = new TiledTensor(device, weight.rows, stride, "F32");
    for (const run of runsOf([errors, product])) {
      multiplyPacked(
        device,
        { x: errors, first: run.first, rows: run.rows },
        { packed, inputs, count: stride },
        { out: product.tileOf(run.first), row: product.placeOf(run.first), cols: stride, col: 0 },
      );
    }
    for (const run of runsOf([weight, product])) {
      const work = run.rows * stride;
      device.dispatch({
        shader: "subtract",
        params: [
          run.rows,
          count,
          stride,
          product.placeOf(run.first),
          weight.cols,
          weight.placeOf(run.first),
          right + from,
        ],
        buffers: [product.tileOf(run.first), weight.tileOf(run.first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
  device.give(packed);
}
