/**
 * The forward operations of the WebGPU backend: how each is cut into dispatches along the tiles of its matrices. The
 * arithmetic is in the shaders.
 */
import type { AttentionShape, Dtype } from "../backend.ts";
import { type Constants, type Device, line, WORKGROUPS } from "./device.ts";
import { runsOf, TiledTensor } from "./tensor.ts";

/** Work (multiply-adds) of one dispatch at most: half a second at 4 GFLOP/s, since drivers end a dispatch of seconds. */
export const WORK_PER_DISPATCH = 2 ** 30;

/** Bytes of logits that exist at once. */
const LOGITS_BYTES = 2 ** 25;

/** Threads of a workgroup where the shader does not say otherwise. */
export const THREADS = 64;

/** How the shaders know a storage type (numbers.wgsl). */
export const STORED: Readonly<Record<Dtype, number>> = { F32: 0, F16: 1, BF16: 2 };

/** The value of an override for "there is none". */
const NONE = 3;

/** See {@linkcode Backend.embed}. */
export function embed(device: Device, out: TiledTensor, ids: Uint32Array, table: TiledTensor, firstRow: number): void {
  using held = uploadNumbers(device, ids);
  for (const { first, rows } of runsOf([out, held])) {
    for (const part of runsOf([table])) {
      const work = rows * out.cols;
      device.dispatch({
        shader: "embed",
        constants: { TABLE: STORED[table.dtype] },
        params: [rows, out.cols, out.placeOf(first), held.placeOf(first), firstRow + part.first, part.rows],
        buffers: [held.tileOf(first), table.tileOf(part.first), out.tileOf(first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
}

/** A column of u32, uploaded. */
function uploadNumbers(device: Device, numbers: Uint32Array): TiledTensor {
  const held = new TiledTensor(device, numbers.length, 1, "F32");
  held.tiles.forEach((tile, i) => {
    const part = numbers.subarray(i * held.tileRows, (i + 1) * held.tileRows);
    device.write(tile, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  });
  return held;
}

/** See {@linkcode Backend.linear}. */
export function linear(device: Device, x: TiledTensor, weight: TiledTensor, bias?: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, weight.rows, "F32");
  for (const run of runsOf([x, out])) {
    for (const part of runsOf([weight])) {
      product(device, {
        x: x.tileOf(run.first),
        xRow: x.placeOf(run.first),
        rows: run.rows,
        weight,
        firstRow: part.first,
        outputs: part.rows,
        bias,
        out: out.tileOf(run.first),
        outRow: out.placeOf(run.first),
        outCols: out.cols,
        outCol: part.first,
      });
    }
  }
  return out;
}

/** A product of rows of x with rows of a tile of W, into a block of out. */
interface Product {
  readonly x: GPUBuffer;
  readonly xRow: number;
  readonly rows: number;
  readonly weight: TiledTensor;
  readonly firstRow: number;
  readonly outputs: number;
  readonly bias?: TiledTensor;
  readonly out: GPUBuffer;
  readonly outRow: number;
  readonly outCols: number;
  readonly outCol: number;
}

function product(device: Device, job: Product): void {
  const { weight, bias } = job;
  const inputs = weight.cols;
  const most = Math.max(8, Math.floor(WORK_PER_DISPATCH / (inputs * job.outputs) / 8) * 8);
  const constants: Constants = { WEIGHT: STORED[weight.dtype], BIAS: bias ? STORED[bias.dtype] : NONE };
  const buffers = [job.x, weight.tileOf(job.firstRow), (bias ?? weight).tiles[0], job.out];
  for (let row = 0; row < job.rows; row += most) {
    const rows = Math.min(most, job.rows - row);
    device.dispatch({
      shader: "linear",
      constants,
      params: [
        rows,
        inputs,
        job.outputs,
        weight.placeOf(job.firstRow),
        job.xRow + row,
        job.outRow + row,
        job.outCols,
        job.outCol,
      ],
      buffers,
      groups: [Math.ceil(job.outputs / 8), Math.ceil(rows / 8)],
      work: rows * inputs * job.outputs,
    });
  }
}

/** See {@linkcode Backend.rmsNorm}. */
export function rmsNorm(device: Device, x: TiledTensor, gain: TiledTensor, epsilon: number): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  const perRow = x.cols / gain.cols;
  for (const { first, rows } of runsOf([x, out], Math.max(1, Math.floor(WORKGROUPS / perRow)))) {
    device.dispatch({
      shader: "rmsNorm",
      constants: { GAIN: STORED[gain.dtype] },
      params: [gain.cols, x.placeOf(first) * perRow, { f32: epsilon }],
      buffers: [x.tileOf(first), gain.tiles[0], out.tileOf(first)],
      groups: [rows * perRow],
      work: rows * x.cols,
    });
  }
  return out;
}

/** See {@linkcode Backend.rotate}. */
export function rotate(device: Device, x: TiledTensor, angles: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const first = i * x.tileRows;
    const rows = Math.min(x.tileRows, x.rows - first);
    for (const part of runsOf([angles])) {
      const work = rows * x.cols / 2;
      device.dispatch({
        shader: "rotate",
        params: [rows, x.cols, angles.cols, angles.rows, first, part.first, part.rows],
        buffers: [tile, angles.tileOf(part.first), out.tiles[i]],
        groups: line(work, THREADS),
        work,
      });
    }
  });
  return out;
}

/** See {@linkcode Backend.attention}. */
export function attention(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  { length, heads, kvHeads }: AttentionShape,
): TiledTensor {
  const out = new TiledTensor(device, q.rows, q.cols, "F32");
  using state = new TiledTensor(device, q.rows, 2 * heads, "F32");
  const headDim = q.cols / heads;
  const perPair = 2 * heads * headDim; // multiply-adds of a query row and a key
  const most = Math.max(THREADS, Math.floor(WORK_PER_DISPATCH / (perPair * length)));
  const mostKeys = most > THREADS ? Infinity : Math.max(THREADS, Math.floor(WORK_PER_DISPATCH / (perPair * THREADS)));
  for (const run of runsOf([q, out, state], most)) {
    const firstSequence = Math.floor(run.first / length);
    const sequences = Math.ceil((run.first + run.rows) / length) - firstSequence;
    const keys = runsOf([k, v], mostKeys, firstSequence * length, run.first + run.rows);
    for (const part of keys) {
      device.dispatch({
        shader: "attention",
        constants: { HEAD_DIM: headDim },
        params: [
          length,
          heads,
          kvHeads,
          firstSequence,
          run.first,
          run.first + run.rows,
          run.first - q.placeOf(run.first),
          run.first - state.placeOf(run.first),
          part.first - k.placeOf(part.first),
          part.first,
          part.first + part.rows,
          { f32: 1 / Math.sqrt(headDim) },
        ],
        buffers: [q, k, v, state, out].map((each, i) => each.tileOf(i === 1 || i === 2 ? part.first : run.first)),
        groups: [Math.ceil(length / THREADS), heads, sequences],
        work: run.rows * Math.min(part.rows, length) * perPair,
      });
    }
  }
  return out;
}

/** See {@linkcode Backend.swiglu} and {@linkcode Backend.add}. */
export function elementwise(device: Device, shader: "add" | "swiglu", x: TiledTensor, y: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, x.rows, x.cols, "F32");
  x.tiles.forEach((tile, i) => {
    const count = x.tileBytes(i) / 4;
    device.dispatch({
      shader,
      params: [count],
      buffers: [tile, y.tiles[i], out.tiles[i]],
      groups: line(count, THREADS),
      work: count,
    });
  });
  return out;
}

/** See {@linkcode Backend.crossEntropy}. */
export function crossEntropy(
  device: Device,
  state: TiledTensor,
  hidden: TiledTensor,
  head: TiledTensor,
  firstRow: number,
  targets: Uint32Array,
  start: boolean,
): void {
  using held = uploadNumbers(device, targets);
  const scratch = Math.min(LOGITS_BYTES, device.bindingLimit) / 4;
  const outputs = Math.min(head.rows, Math.max(1, Math.min(scratch / THREADS, head.tileRows)) | 0);
  const most = Math.min(WORKGROUPS, Math.max(1, Math.floor(scratch / outputs)));
  const logits = device.take(most * outputs * 4);
  for (const run of runsOf([hidden, state, held], most)) {
    for (const part of runsOf([head], outputs)) {
      product(device, {
        x: hidden.tileOf(run.first),
        xRow: hidden.placeOf(run.first),
        rows: run.rows,
        weight: head,
        firstRow: part.first,
        outputs: part.rows,
        out: logits,
        outRow: 0,
        outCols: part.rows,
        outCol: 0,
      });
      device.dispatch({
        shader: "crossEntropy",
        params: [
          part.rows,
          held.placeOf(run.first),
          state.placeOf(run.first),
          firstRow + part.first,
          start && part.first === 0 ? 1 : 0,
        ],
        buffers: [logits, held.tileOf(run.first), state.tileOf(run.first)],
        groups: [run.rows],
        work: run.rows * part.rows,
      });
    }
  }
  device.give(logits);
}
