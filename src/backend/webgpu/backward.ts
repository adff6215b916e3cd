/**
 * The backward pass of the WebGPU backend: how each operation is cut into dispatches. Products are those of linear.wgsl;
 * attention's are made head by head, with the scores of a sequence whole, since that takes one shader of its own.
 */
import type { Activation, AttentionOptions, MapFunction, NormGradients, NormOptions } from "../backend.ts";
import { DTYPE_CODES, FUNCTION_CODES, functionFactor } from "../codes.ts";
import { groupTokens } from "../groups.ts";
import { type Device, line, rowsWithin, THREADS, WORKGROUPS } from "./device.ts";
import { words } from "../words.ts";
import { uploadNumbers } from "./forward.ts";
import { linear, multiplyPacked, PACKED_BYTES } from "./linear.ts";
import { type Owned, runsOf, TiledTensor } from "./tensor.ts";
import { transpose } from "./transpose.ts";
import { pad, padded, VECTOR, wholeVectors } from "./vectors.ts";

/** `a b`: F32 rows x depth by depth x cols, of any dtype. A matrix as it lies is what linear.wgsl reads, its rows padded. */
function product(device: Device, a: TiledTensor, b: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, a.rows, b.cols, "F32"), inputs = padded(a.cols);
  using copy = wholeVectors(device, a);
  const vectors = copy ?? a, fit = Math.min(PACKED_BYTES, device.bindingLimit) / 4 / inputs;
  const most = Math.min(padded(b.cols), Math.max(VECTOR, Math.floor(fit / VECTOR) * VECTOR));
  const packed = device.take(most * inputs * 4);
  for (let from = 0; from < b.cols; from += most) {
    const count = Math.min(most, b.cols - from), stride = padded(count);
    const lay = (row: number, rows: number, cols: number, first: number) =>
      pad(
        device,
        { source: b.tileOf(first), dtype: b.dtype, at: b.placeOf(first) * b.cols + from, stride: b.cols, rows, cols },
        { out: packed, at: row * stride, stride, cols: stride },
      );
    for (const { first, rows } of runsOf([b])) lay(first, rows, count, first);
    if (inputs > b.rows) lay(b.rows, inputs - b.rows, 0, 0);
    for (const { first, rows } of runsOf([vectors, out])) {
      multiplyPacked(
        device,
        { x: vectors, first, rows },
        { packed, inputs, count },
        { out: out.tileOf(first), row: out.placeOf(first), cols: out.cols, col: from },
      );
    }
  }
  device.give(packed);
  return out;
}

/** Columns of a matrix: `width` of every run of `period`, from `first` on, in the rows from `row` on. */
interface Columns {
  readonly row: number;
  readonly first: number;
  readonly period: number;
}

/** Adds rows of runs of numbers to columns of another matrix. */
function addColumns(device: Device, out: TiledTensor, x: TiledTensor, { row, first, period }: Columns): void {
  const width = x.cols / (out.cols / period);
  for (let from = 0; from < x.rows;) {
    const at = row + from,
      rows = Math.min(
        x.rows - from,
        x.tileRows - x.placeOf(from),
        out.tileRows - out.placeOf(at),
      );
    const count = rows * x.cols;
    device.dispatch({
      shader: "addColumns",
      params: [count, x.placeOf(from) * x.cols, width, period, out.placeOf(at) * out.cols + first],
      buffers: [x.tileOf(from), out.tileOf(at)],
      groups: line(count, THREADS),
      work: count,
    });
    from += rows;
  }
}

/** A copy of some rows and columns. */
function cut(device: Device, x: TiledTensor, row: number, rows: number, col: number, cols: number): TiledTensor {
  const out = new TiledTensor(device, rows, cols, "F32");
  for (const run of runsOf([x], Infinity, row, row + rows)) {
    for (const { first, rows } of runsOf([out], Infinity, run.first - row, run.first - row + run.rows)) {
      pad(
        device,
        {
          source: x.tileOf(run.first),
          dtype: x.dtype,
          at: x.placeOf(row + first) * x.cols + col,
          stride: x.cols,
          rows,
          cols,
        },
        { out: out.tileOf(first), at: out.placeOf(first) * cols, stride: cols, cols },
      );
    }
  }
  return out;
}

/** A matrix of zeros, to be added to. */
function zeros(device: Device, { rows, cols }: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, rows, cols, "F32");
  for (const tile of out.tiles) device.clear(tile);
  return out;
}

/** See {@linkcode Backend.linearBackward}. */
export function linearBackward(device: Device, dy: TiledTensor, weight: TiledTensor): TiledTensor {
  return product(device, dy, weight);
}

/** See {@linkcode Backend.addWeightGradient}. */
export function addWeightGradient(
  device: Device,
  gradient: TiledTensor,
  dy: TiledTensor,
  x: TiledTensor,
  firstRow = 0,
): void {
  using turned = transpose(device, dy);
  using sums = product(device, turned, x);
  addColumns(device, gradient, sums, { row: firstRow, first: 0, period: gradient.cols });
}

/** See {@linkcode Backend.addColumnSums}. */
export function addColumnSums(device: Device, gradient: TiledTensor, dy: TiledTensor): void {
  for (const { first, rows } of runsOf([dy])) {
    device.dispatch({
      shader: "columnSums",
      params: [0, rows, dy.cols, dy.placeOf(first)],
      buffers: [dy.tileOf(first), gradient.tiles[0]],
      groups: line(dy.cols, THREADS),
      work: rows * dy.cols,
    });
  }
}

/** See {@linkcode Backend.normBackward}. */
export function normBackward(
  device: Device,
  x: TiledTensor,
  gain: TiledTensor,
  dy: TiledTensor,
  { kind, epsilon, unitOffset }: Owned<NormOptions>,
  gradients: Owned<NormGradients> = {},
): TiledTensor {
  const dx = new TiledTensor(device, x.rows, x.cols, "F32"), perRow = x.cols / gain.cols;
  using moments = new TiledTensor(device, x.rows, 3 * perRow, "F32");
  const most = Math.max(1, Math.floor(WORKGROUPS / perRow));
  for (const { first, rows } of runsOf([x, dy, dx, moments], most)) {
    const firstRun = x.placeOf(first) * perRow, momentsAt = moments.placeOf(first) * perRow, work = rows * x.cols;
    device.dispatch({
      shader: "normBackward",
      constants: {
        GAIN: DTYPE_CODES[gain.dtype],
        LAYER: kind === "layer" ? 1 : 0,
        UNIT: unitOffset ? 1 : 0,
        THREADS: device.tuning.lanes,
      },
      params: [gain.cols, firstRun, { f32: epsilon }, perRow, gain.rows, momentsAt],
      buffers: [x.tileOf(first), dy.tileOf(first), gain.tiles[0], dx.tileOf(first), moments.tileOf(first)],
      groups: [rows * perRow],
      work,
    });
    for (const [which, gradient] of [gradients.gain, gradients.bias].entries()) {
      if (!gradient) continue;
      device.dispatch({
        shader: "normGradients",
        constants: { BIAS: which },
        params: [0, gain.cols, firstRun, rows * perRow, perRow, gain.rows, momentsAt],
        // The gain is no larger than a row of x, and lies in one tile as that does.
        buffers: [x.tileOf(first), dy.tileOf(first), moments.tileOf(first), gradient.tiles[0]],
        groups: line(gain.rows * gain.cols, THREADS),
        work,
      });
    }
  }
  return dx;
}

/** See {@linkcode Backend.attentionBackward}. */
export function attentionBackward(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  dy: TiledTensor,
  options: AttentionOptions,
): [TiledTensor, TiledTensor, TiledTensor] {
  const { offsets, heads, kvHeads } = options, d = q.cols / heads, shared = heads / kvHeads;
  const [dq, dk, dv] = [q, k, v].map((one) => zeros(device, one));
  using slopes = uploadNumbers(device, options.slopes ? words(options.slopes) : new Uint32Array(1));
  for (let i = 0; i + 1 < offsets.length; i++) {
    const row = offsets[i], length = offsets[i + 1] - row;
    for (let kv = 0; kv < kvHeads; kv++) {
      using keys = cut(device, k, row, length, kv * d, d);
      using values = cut(device, v, row, length, kv * d, d);
      const byKeys = { row, first: kv * d, period: k.cols };
      for (let head = kv * shared; head < (kv + 1) * shared; head++) {
        using queries = cut(device, q, row, length, head * d, d);
        using gradients = cut(device, dy, row, length, head * d, d);
        using weights = linear(device, queries, keys);
        using scores = linear(device, gradients, values);
        weigh(device, weights, scores, slopes, head, options);
        {
          using own = product(device, scores, keys);
          addColumns(device, dq, own, { row, first: head * d, period: q.cols });
        }
        for (const [by, with_, to] of [[scores, queries, dk], [weights, gradients, dv]]) {
          using turned = transpose(device, by);
          using own = product(device, turned, with_);
          addColumns(device, to, own, byKeys);
        }
      }
    }
  }
  return [dq, dk, dv];
}

/** Makes probabilities of products, and of what values have to do with the loss what scores have. */
function weigh(
  device: Device,
  weights: TiledTensor,
  scores: TiledTensor,
  slopes: TiledTensor,
  head: number,
  { scale, window = Infinity, softCap, slopes: sloped }: AttentionOptions,
): void {
  const keys = weights.cols;
  for (const { first, rows } of runsOf([weights, scores], rowsWithin(keys))) {
    device.dispatch({
      shader: "attentionBackward",
      constants: { CAPPED: softCap ? 1 : 0, SLOPED: sloped ? 1 : 0, THREADS: device.tuning.lanes },
      params: [
        keys,
        first,
        weights.placeOf(first),
        { f32: scale },
        Math.min(window, keys),
        { f32: softCap ?? 0 },
        head,
      ],
      buffers: [weights.tileOf(first), scores.tileOf(first), slopes.tiles[0]],
      groups: [rows],
      work: rows * keys,
    });
  }
}

/** See {@linkcode Backend.mapBackward}. */
export function mapBackward(device: Device, x: TiledTensor, dy: TiledTensor, fn: MapFunction): TiledTensor {
  const dx = new TiledTensor(device, x.rows, x.cols, "F32"), nobody = device.take(4);
  x.tiles.forEach((tile, i) => {
    const count = x.tileBytes(i) / 4;
    device.dispatch({
      shader: "activateBackward",
      constants: { FUNCTION: FUNCTION_CODES[fn.kind], GATED: 0 },
      params: [count, { f32: functionFactor(fn) }],
      buffers: [tile, tile, dy.tiles[i], dx.tiles[i], nobody],
      groups: line(count, THREADS),
      work: count,
    });
  });
  device.give(nobody);
  return dx;
}

/** See {@linkcode Backend.gateBackward}. */
export function gateBackward(
  device: Device,
  gate: TiledTensor,
  up: TiledTensor,
  dy: TiledTensor,
  activation: Activation,
): [TiledTensor, TiledTensor] {
  const [byGate, byUp] = [gate, up].map(({ rows, cols }) => new TiledTensor(device, rows, cols, "F32"));
  gate.tiles.forEach((tile, i) => {
    const count = gate.tileBytes(i) / 4;
    device.dispatch({
      shader: "activateBackward",
      constants: { FUNCTION: FUNCTION_CODES[activation], GATED: 1 },
      params: [count, { f32: 0 }],
      buffers: [tile, up.tiles[i], dy.tiles[i], byGate.tiles[i], byUp.tiles[i]],
      groups: line(count, THREADS),
      work: count,
    });
  });
  return [byGate, byUp];
}

/** See {@linkcode Backend.sliceBackward}. */
export function sliceBackward(
  device: Device,
  gradient: TiledTensor,
  dy: TiledTensor,
  first: number,
  period: number,
): void {
  addColumns(device, gradient, dy, { row: 0, first, period });
}

/** See {@linkcode Backend.embedBackward}. */
export function embedBackward(
  device: Device,
  gradient: TiledTensor,
  ids: Uint32Array,
  dy: TiledTensor,
  firstRow: number,
): void {
  for (const run of runsOf([dy])) {
    const own = ids.subarray(run.first, run.first + run.rows);
    for (const part of runsOf([gradient])) {
      const { rows, starts, tokens } = groupTokens(own, firstRow + part.first, part.rows);
      if (!rows.length) continue;
      const numbers = device.take(4 * (rows.length + starts.length + tokens.length));
      device.write(numbers, new Uint8Array(Uint32Array.from([...rows, ...starts, ...tokens]).buffer));
      device.dispatch({
        shader: "embedBackward",
        params: [rows.length, dy.cols, dy.placeOf(run.first)],
        buffers: [dy.tileOf(run.first), numbers, gradient.tileOf(part.first)],
        groups: line(rows.length * dy.cols, THREADS),
        work: tokens.length * dy.cols,
      });
      device.give(numbers);
    }
  }
}

/** See {@linkcode Backend.crossEntropyBackward}. */
export function crossEntropyBackward(
  device: Device,
  state: TiledTensor,
  logits: TiledTensor,
  firstRow: number,
  targets: Uint32Array,
  weights: Float32Array,
  softCap?: number,
): TiledTensor {
  const out = new TiledTensor(device, logits.rows, logits.cols, "F32");
  using wanted = uploadNumbers(device, targets);
  using shares = uploadNumbers(device, words(weights));
  for (const { first, rows } of runsOf([logits, out, state, wanted, shares])) {
    const count = rows * logits.cols;
    device.dispatch({
      shader: "crossEntropyBackward",
      constants: { CAPPED: softCap ? 1 : 0 },
      params: [
        count,
        logits.cols,
        logits.placeOf(first),
        wanted.placeOf(first),
        state.placeOf(first),
        firstRow,
        { f32: softCap ?? 0 },
      ],
      buffers: [
        logits.tileOf(first),
        wanted.tileOf(first),
        shares.tileOf(first),
        state.tileOf(first),
        out.tileOf(first),
      ],
      groups: line(count, THREADS),
      work: count,
    });
  }
  return out;
}

/** See {@linkcode Backend.dotRows}. */
export function dotRows(device: Device, x: TiledTensor, y: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, 1, "F32");
  for (const { first, rows } of runsOf([x, y, out], rowsWithin(x.cols))) {
    device.dispatch({
      shader: "dotRows",
      constants: { THREADS: device.tuning.lanes },
      params: [0, x.cols, x.placeOf(first), y.placeOf(first), out.placeOf(first)],
      buffers: [x.tileOf(first), y.tileOf(first), out.tileOf(first)],
      groups: [rows],
      work: rows * x.cols,
    });
  }
  return out;
}
