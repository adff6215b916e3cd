/**
 * The safetensors file that a GGUF file would become, as a {@linkcode Source} whose bytes are made when they are read:
 * the tensors dequantised to F16 (from f32, to nearest, ties to even) under other names, and the rows of the query and
 * key projections in another order. To all above it, it is a shard like any other; it never exists whole.
 *
 * The order: llama.cpp rotates neighbouring pairs of a head's rows, transformers the row `j` with the row
 * `j + headDim/2`. Its converter therefore interleaves the two halves of every head, and here that is undone.
 */
import type { Shard } from "../assemble.ts";
import { safetensorsHeader } from "../safetensors.ts";
import type { Source } from "../source.ts";
import { FORMATS, stored } from "./formats.ts";
import type { GgufTensor } from "./header.ts";

/** A tensor of the file, and what it is to become. */
export interface Renamed {
  /** As the file has it. */
  readonly tensor: GgufTensor;
  /** Its Hugging Face name. */
  readonly name: string;
  /** What is taken off each number: llama.cpp has added it. */
  readonly shift?: number;
  /** Heads that the rows of q, k and v are to be grouped by, if the file has all of q, then all of k, then all of v. */
  readonly heads?: number;
  /** The matrix is to be turned: from outputs x inputs to inputs x outputs. */
  readonly transposed?: boolean;
  /** Rows of one head, if their halves are interleaved; undefined for a tensor that stays as it is. */
  readonly headRows?: number;
}

/** Bytes of an F16. */
const HALF = 2;

/** The shard of these tensors, whose new names differ. Disposing of its source closes `source`. */
export function asSafetensors(source: Source, renamed: readonly Renamed[]): Shard {
  const byName = new Map(renamed.map((each) => [each.name, each]));
  const { header, entries } = safetensorsHeader(renamed.map(({ name, tensor: { shape: stored }, transposed }) => {
    const shape = transposed ? stored.toReversed() : stored;
    return { name, dtype: "F16", shape, bytes: HALF * shape.reduce((product, each) => product * each, 1) };
  }));
  const last = entries.at(-1);
  return {
    header,
    entries: new Map(entries.map((entry) => [entry.name, entry])),
    source: {
      name: source.name,
      size: last ? last.offset + last.bytes : header.length,
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        bytes.set(header.subarray(offset, offset + length));
        for (const entry of entries) {
          const begin = Math.max(offset, entry.offset);
          const end = Math.min(offset + length, entry.offset + entry.bytes);
          if (begin < end) {
            const part = await half(source, byName.get(entry.name)!, begin - entry.offset, end - entry.offset);
            bytes.set(part, begin - offset);
          }
        }
        return bytes;
      },
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    },
  };
}

/** The bytes `[begin, end)` of a tensor as F16. Whole rows are decoded; they are a few kilobytes more at either end. */
async function half(
  source: Source,
  renamed: Renamed,
  begin: number,
  end: number,
): Promise<Uint8Array> {
  const { tensor, headRows, heads, transposed, shift = 0 } = renamed;
  if (transposed) return (await turned(source, renamed)).subarray(begin, end);
  const { weights, bytes, decode } = FORMATS[tensor.format];
  // A vector is one row, unless its elements are to change places (the bias of a query projection).
  const cols = tensor.shape.length > 1 || headRows || heads
    ? tensor.shape.slice(1).reduce((a, b) => a * b, 1)
    : tensor.shape[0];
  const rowBytes = cols / weights * bytes;
  const first = Math.floor(begin / (cols * HALF)), last = Math.ceil(end / (cols * HALF));
  const each = heads && tensor.shape[0] / (3 * heads);
  const firstRead = headRows ? first - first % headRows : first;
  const lastRead = headRows ? Math.ceil(last / headRows) * headRows : last;

  const read = async (from: number, to: number) =>
    stored(await source.read(tensor.offset + from * rowBytes, (to - from) * rowBytes));
  const row = new Float32Array(cols);
  const rows = new Float16Array((last - first) * cols);
  if (heads && each) {
    // What is one run of rows here is one there: a head's of q, of k or of v.
    for (let r = first; r < last;) {
      const count = Math.min(each - r % each, last - r),
        from = grouped(r, heads, each),
        raw = await read(from, from + count);
      for (let i = 0; i < count; i++, r++) {
        decode(raw, i * rowBytes, row);
        rows.set(row, (r - first) * cols);
      }
    }
    return new Uint8Array(rows.buffer).subarray(begin - first * cols * HALF, end - first * cols * HALF);
  }
  const raw = await read(firstRead, lastRead);
  for (let r = first; r < last; r++) {
    decode(raw, ((headRows ? interleaved(r, headRows) : r) - firstRead) * rowBytes, row);
    if (shift) { for (let col = 0; col < cols; col++) row[col] -= shift; }
    rows.set(row, (r - first) * cols);
  }
  return new Uint8Array(rows.buffer).subarray(begin - first * cols * HALF, end - first * cols * HALF);
}

/** All bytes of a tensor that is turned. */
async function turned(source: Source, { tensor }: Renamed): Promise<Uint8Array> {
  const { weights, bytes, decode } = FORMATS[tensor.format], [rows, cols] = tensor.shape;
  const raw = stored(await source.read(tensor.offset, tensor.bytes)), row = new Float32Array(cols);
  const out = new Float16Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    decode(raw, r * cols / weights * bytes, row);
    for (let col = 0; col < cols; col++) out[col * rows + r] = row[col];
  }
  return new Uint8Array(out.buffer);
}

/** Where llama.cpp puts row `r` of q, k and v that stand head by head, `each` rows of one of them. */
function grouped(r: number, heads: number, each: number): number {
  const run = Math.floor(r / each), head = Math.floor(run / 3), part = run % 3;
  return (part * heads + head) * each + r % each;
}

/** Where llama.cpp puts row `r`: row `j` of a head's first half at `2j`, of its second at `2j + 1`. */
function interleaved(r: number, headRows: number): number {
  const inHead = r % headRows, middle = headRows / 2;
  return r - inHead + (inHead < middle ? 2 * inHead : 2 * (inHead - middle) + 1);
}
