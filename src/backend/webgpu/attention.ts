/**
 * Attention, cut into dispatches: runs of query rows that lie in one tile, times runs of keys that lie in one tile. The
 * shader carries each row's state from one run of keys to the next.
 */
import type { AttentionShape } from "../backend.ts";
import { type Device, WORK_PER_DISPATCH } from "./device.ts";
import { runsOf, TiledTensor } from "./tensor.ts";
import { padded, resize, VECTOR } from "./vectors.ts";

/** See {@linkcode Backend.attention}. */
export function attention(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  shape: AttentionShape,
): TiledTensor {
  const headDim = q.cols / shape.heads;
  const scale = 1 / Math.sqrt(headDim);
  if (headDim % VECTOR === 0) return attend(device, q, k, v, shape, scale);
  const whole = padded(headDim);
  using queries = resize(device, q, headDim, whole);
  using keys = resize(device, k, headDim, whole);
  using values = resize(device, v, headDim, whole);
  using results = attend(device, queries, keys, values, shape, scale);
  return resize(device, results, whole, headDim);
}

/** Attention of heads that are whole vectors. */
function attend(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  { length, heads, kvHeads }: AttentionShape,
  scale: number,
): TiledTensor {
  const out = new TiledTensor(device, q.rows, q.cols, "F32");
  using state = new TiledTensor(device, q.rows, 2 * heads, "F32");
  const { lanes: THREADS, strips: STRIPS } = device.tuning;
  const blockRows = THREADS * STRIPS * VECTOR;
  const perPair = 2 * q.cols; // multiply-adds of a query row and a key
  const most = Math.max(blockRows, Math.floor(WORK_PER_DISPATCH / (perPair * length)));
  // Keys are cut only where a block of rows with all of them is too much, at the same places in every sequence.
  const mostKeys = most > blockRows
    ? Infinity
    : Math.max(blockRows, Math.floor(WORK_PER_DISPATCH / perPair / blockRows));
  for (const run of runsOf([q, out, state], most)) {
    const firstSequence = Math.floor(run.first / length);
    const sequences = Math.ceil((run.first + run.rows) / length) - firstSequence;
    for (const part of runsOf([k, v], mostKeys, firstSequence * length, run.first + run.rows)) {
      device.dispatch({
        shader: "attention",
        constants: { STRIPS, THREADS },
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
          { f32: scale },
          q.cols / heads / VECTOR,
        ],
        buffers: [
          q.tileOf(run.first),
          k.tileOf(part.first),
          v.tileOf(part.first),
          state.tileOf(run.first),
          out.tileOf(run.first),
        ],
        groups: [Math.ceil(length / blockRows), heads, sequences],
        work: run.rows * Math.min(part.rows, length) * perPair,
      });
    }
  }
  return out;
}
