/**
 * Attention, cut into dispatches: runs of query rows that lie in one tile, times runs of keys that lie in one tile. The
 * shader carries each row's state from one run of keys to the next. Keys and queries are counted as if each sequence's keys
 * lay one behind the other from its first row on: where a key lies is then its number and a distance.
 */
import type { AttentionOptions } from "../backend.ts";
import { words } from "../words.ts";
import { type EqualLengths, equalLengths } from "./sequences.ts";
import { type Device, WORK_PER_DISPATCH } from "./device.ts";
import { embed, uploadNumbers } from "./forward.ts";
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
  if (k.dtype !== "F32") return attendWidened(device, q, k, v, options);
  if (headDim % VECTOR === 0) return attend(device, q, k, v, options);
  const whole = padded(headDim);
  using queries = resize(device, q, headDim, whole);
  using keys = resize(device, k, headDim, whole);
  using values = resize(device, v, headDim, whole);
  using results = attend(device, queries, keys, values, options);
  return resize(device, results, whole, headDim);
}

/** Attention to keys and values of another dtype than F32: the rows that are seen are widened first. */
function attendWidened(
  device: Device,
  q: TiledTensor,
  k: TiledTensor,
  v: TiledTensor,
  options: AttentionOptions,
): TiledTensor {
  const { offsets, spans: ranges = Array.from(offsets.slice(1), (end, i) => Uint32Array.of(offsets[i], end)) } =
    options;
  const seen = (own: Uint32Array) => own.reduce((sum, bound, i) => i % 2 ? sum + bound - own[i - 1] : sum, 0);
  const rows = new Uint32Array(ranges.reduce((sum, own) => sum + seen(own), 0)), spans: Uint32Array[] = [];
  let end = 0;
  for (const own of ranges) {
    const first = end;
    for (let i = 0; i < own.length; i += 2) for (let row = own[i]; row < own[i + 1]; row++) rows[end++] = row;
    spans.push(Uint32Array.of(first, end));
  }
  const widened = (tensor: TiledTensor): TiledTensor => {
    const out = new TiledTensor(device, rows.length, tensor.cols, "F32");
    embed(device, out, rows, tensor, 0);
    return out;
  };
  using keys = widened(k);
  using values = widened(v);
  return attention(device, q, keys, values, { ...options, spans });
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
  for (const equal of equalLengths(options)) attendEqual(device, { q, k, v, state, out, slopes }, equal, options);
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
  { first, length, sequences, ranges }: EqualLengths,
  { heads, kvHeads, scale, window = Infinity, softCap }: AttentionOptions,
): void {
  const { lanes: THREADS, strips: STRIPS } = device.tuning;
  const blockRows = THREADS * STRIPS * VECTOR;
  const perPair = 2 * q.cols; // multiply-adds of a query row and a key
  const spans = spansOf(first, ranges), past = spans.at(-1)!.end - first - sequences * length;
  const windowed = window < past + length;
  const keys = Math.min(past + length, window + blockRows); // that a block of rows passes over
  const most = Math.max(blockRows, Math.floor(WORK_PER_DISPATCH / (perPair * keys)));
  // Keys are cut only where a block of rows with all of them is too much, at the same places in every sequence.
  const mostKeys = most > blockRows
    ? Infinity
    : Math.max(blockRows, Math.floor(WORK_PER_DISPATCH / perPair / blockRows));
  for (const run of runsOf([q, out, state], most, first, first + sequences * length)) {
    const begin = run.first - (run.first - first) % length, firstRow = run.first + past, endRow = firstRow + run.rows;
    const firstKey = Math.max(begin, firstRow + 1 - window);
    for (const span of spans) {
      const from = Math.max(span.first, firstKey), end = Math.min(span.end, endRow);
      for (const part of runsOf([k, v], mostKeys, from - span.distance, end - span.distance)) {
        const key = part.first + span.distance;
        device.dispatch({
          shader: "attention",
          constants: { STRIPS, THREADS, WINDOWED: windowed ? 1 : 0, CAPPED: softCap ? 1 : 0, SLOPED: slopes ? 1 : 0 },
          params: [
            length,
            begin,
            past,
            heads,
            kvHeads,
            firstRow,
            endRow,
            firstRow - q.placeOf(run.first),
            firstRow - state.placeOf(run.first),
            key - k.placeOf(part.first),
            key,
            key + part.rows,
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
          groups: [Math.ceil(length / blockRows), heads, Math.ceil((run.first + run.rows - begin) / length)],
          work: run.rows * Math.min(part.rows, keys) * perPair,
        });
      }
    }
  }
}

/** Keys that lie one behind the other, by their numbers; the row of k and v that each is in is so much less. */
interface Span {
  readonly first: number;
  readonly end: number;
  readonly distance: number;
}

/** The ranges of rows that a sequence sees, numbered from its first row on. */
function spansOf(first: number, ranges: Uint32Array): Span[] {
  const spans: Span[] = [];
  for (let i = 0, next = first; i < ranges.length; i += 2) {
    const end = next + ranges[i + 1] - ranges[i];
    spans.push({ first: next, end, distance: next - ranges[i] });
    next = end;
  }
  return spans;
}
