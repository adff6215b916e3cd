/**
 * Attention, cut into groups of sequences whose packed keys and values fit a bound (`kernels/src/attention.rs`). Rows that
 * several sequences of a group see are packed once.
 */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { AttentionOptions } from "../backend.ts";
import { words } from "../words.ts";
import type { Engine } from "./engine.ts";
import { usesOf } from "./forward.ts";
import type { WasmTensor } from "./tensor.ts";

/** Bytes of packed keys and values that attention holds at a time (or one sequence's, if that is more). */
const PACKED = 16 * 2 ** 20;

/** Queries of a sequence that read keys and values as they lie: packing them for fewer costs more than it gives. */
const FEW = 4;

/** See `Backend.attention`. */
export function attention(
  engine: Engine,
  q: WasmTensor,
  k: WasmTensor,
  v: WasmTensor,
  options: AttentionOptions,
): WasmTensor {
  const { heads, kvHeads, scale, window = Infinity, softCap = 0, slopes } = options, dim = q.cols / heads;
  return engine.filled(engine.tensor(q.rows, q.cols), (out) => {
    const queue = (slopesAt: number) => {
      for (const group of groups(options, (rows) => kvHeads * kernels.packed_floats(rows, dim))) {
        const { few, spans, seen, sequences, floats, most } = group;
        engine.withNumbers(Uint32Array.from([...spans, ...seen, ...sequences].flat()), (spansAt) => {
          const seenAt = spansAt + spans.length * SPAN_BYTES, sequencesAt = seenAt + seen.length * 4;
          if (few) {
            engine.scratch(engine.workers * kernels.attend_scratch(most, dim) * 4, (scratch) => {
              // deno-fmt-ignore
              engine.runSoon("attention", usesOf([q, k, v], out), "attend", q.offset, k.offset, v.offset, k.code, spansAt, seenAt, sequencesAt, sequences.length,
                most, heads, kvHeads, dim, scale, window < most ? window : 0, softCap, slopesAt, out.offset, scratch);
            });
            return;
          }
          engine.scratch(engine.workers * kernels.attention_scratch(most, dim) * 4, (scratch) => {
            engine.scratch(floats * 4, (packed) => {
              // deno-fmt-ignore
              engine.run("attention", "pack_keys_values", k.offset, v.offset, k.code, spansAt, spans.length, kvHeads, dim, packed);
              // deno-fmt-ignore
              engine.run("attention", "attention", q.offset, packed, spansAt, seenAt, sequencesAt, sequences.length, most,
                heads, kvHeads, dim, scale, window < most ? window : 0, softCap, slopesAt, out.offset, scratch);
            });
          });
        });
      }
    };
    if (slopes) engine.withNumbers(words(slopes), queue);
    else queue(0);
  });
}

/** Rows of k and v: the first, how many, and the number of the float where they begin, packed. */
type Span = readonly [first: number, rows: number, packed: number];
/** Rows of q: the first, how many, and where their spans are among those seen. */
type Sequence = readonly [first: number, queries: number, spansFrom: number, spansEnd: number];
/** Bytes of a {@linkcode Span} in the kernel's memory. */
const SPAN_BYTES = 12;

/** Sequences that are attended to together, as the kernel takes them. */
interface Group {
  /** Each has few queries: nothing is packed for them. */
  readonly few: boolean;
  readonly spans: Span[];
  /** The spans of all sequences, by their numbers. */
  readonly seen: number[];
  readonly sequences: Sequence[];
  /** All spans', packed. */
  floats: number;
  /** Positions of the longest. */
  most: number;
}

/** Cuts sequences into groups. */
function* groups({ offsets, spans }: AttentionOptions, floatsOf: (rows: number) => number): Generator<Group> {
  const empty = (few: boolean): Group => ({ few, spans: [], seen: [], sequences: [], floats: 0, most: 0 });
  let group = empty(offsets[1] <= FEW), numbers = new Map<string, number>();
  for (let i = 0; i + 1 < offsets.length; i++) {
    const first = offsets[i], queries = offsets[i + 1] - first, ranges = spans?.[i] ?? offsets.subarray(i, i + 2);
    const own = Array.from({ length: ranges.length / 2 }, (_, at) => ranges.subarray(2 * at, 2 * at + 2));
    const fresh = () => own.filter((range) => !numbers.has(range.join()));
    const few = queries <= FEW, floats = ([from, end]: Uint32Array) => few ? 0 : floatsOf(end - from);
    const added = fresh().reduce((sum, range) => sum + floats(range), 0);
    if (group.sequences.length && (few !== group.few || 4 * (group.floats + added) > PACKED)) {
      yield group;
      [group, numbers] = [empty(few), new Map()];
    }
    for (const range of fresh()) {
      numbers.set(range.join(), group.spans.length);
      group.spans.push([range[0], range[1] - range[0], group.floats]);
      group.floats += floats(range);
    }
    const from = group.seen.length;
    group.seen.push(...own.map((range) => numbers.get(range.join())!));
    group.sequences.push([first, queries, from, group.seen.length]);
    group.most = Math.max(group.most, own.reduce((sum, [from, end]) => sum + end - from, 0));
  }
  yield group;
}
