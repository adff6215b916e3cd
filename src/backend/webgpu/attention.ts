/**
 * Attention, cut into dispatches: runs of query rows that lie in one tile, times runs of keys that lie in one tile. The
 * shader carries each row's state from one run of keys to the next.
 */
import type { AttentionOptions } from "../backend.ts";
import { type EqualLengths, equalLengths } from "../sequences.ts";
import { type Device, WORK_PER_DISPATCH } from "./device.ts";
import { uploadNumbers, words } from "./forward.ts";
import { runsOf, TiledTensor } from "./tensor.ts";
import { padded, resize, VECTOR } from "./vectors.ts";

/** See {@linkcode Backend.attention}. */
export function attention(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  options: AttentionOptions,
): TiledTensor {
  const headDim = q.cols / options.heads;
  if (headDim % VECTOR === 0) return attend(device, q, k, v, options);
  const whole = padded(headDim);
  using queries = resize(device, q, headDim, whole);
  using keys = resize(device, k, headDim, whole);
  using values = resize(device, v, headDim, whole);
  using results = attend(device, queries, keys, values, options);
  return resize(device, results, whole, headDim);
}

/** Attention of heads that are whole vectors. */
function attend(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  options: AttentionOptions,
): TiledTensor {
  const out = new TiledTensor(device, q.rows, q.cols, "F32");
  using state = new TiledTensor(device, q.rows, 2 * options.heads, "F32");
  using slopes = options.slopes && uploadNumbers(device, words(options.slopes));
  for (const equal of equalLengths(options.offsets)) {
    attendEqual(device, { q, k, v, state, out, slopes }, equal, options);
  }
  return out;
}

/** What the dispatches of one call share. */
interface Operands {
  readonly q: TiledTensor;
  readonly k: TiledTensor;
  readonly v: TiledTensor;
  readonly state: TiledTensor;
  readonly out: TiledTensor;
  readonly slopes?: TiledTensor;
}

/** Attention of neighbouring sequences of one length. */
function attendEqual(
  device: Device,
  { q, k, v, state, out, slopes }: Operands,
  { first, length, sequences }: EqualLengths,
  { heads, kvHeads, scale, window = Infinity, softCap }: AttentionOptions,
): void {
  const { lanes: THREADS, strips: STRIPS } = device.tuning;
  const blockRows = THREADS * STRIPS * VECTOR;
  const perPair = 2 * q.cols; // multiply-adds of a query row and a key
  const windowed = window < length;
  const keys = Math.min(length, window + blockRows); // that a block of rows passes over
  const most = Math.max(blockRows, Math.floor(WORK_PER_DISPATCH / (perPair * keys)));
  // Keys are cut only where a block of rows with all of them is too much, at the same places in every sequence.
  const mostKeys = most > blockRows
    ? Infinity
    : Math.max(blockRows, Math.floor(WORK_PER_DISPATCH / perPair / blockRows));
  for (const run of runsOf([q, out, state], most, first, first + sequences * length)) {
    const begin = run.first - (run.first - first) % length, end = run.first + run.rows;
    const firstKey = Math.max(begin, run.first + 1 - window);
    for (const part of runsOf([k, v], mostKeys, firstKey, end)) {
      device.dispatch({
        shader: "attention",
        constants: { STRIPS, THREADS, WINDOWED: windowed ? 1 : 0, CAPPED: softCap ? 1 : 0, SLOPED: slopes ? 1 : 0 },
        params: [
          length,
          begin,
          heads,
          kvHeads,
          run.first,
          end,
          run.first - q.placeOf(run.first),
          run.first - state.placeOf(run.first),
          part.first - k.placeOf(part.first),
          part.first,
          part.first + part.rows,
          { f32: scale },
          q.cols / heads / VECTOR,
          windowed ? window : 0,
          { f32: softCap ?? 0 },
        ],
        buffers: [
          q.tileOf(run.first),
          k.tileOf(part.first),
          v.tileOf(part.first),
          state.tileOf(run.first),
          out.tileOf(run.first),
          slopes?.tiles[0] ?? q.tileOf(run.first),
        ],
        groups: [Math.ceil(length / blockRows), heads, Math.ceil((end - begin) / length)],
        work: run.rows * Math.min(part.rows, keys) * perPair,
      });
    }
  }
}
