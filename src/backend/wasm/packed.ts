/**
 * Packed weights in the shared memory: a descriptor, as `kernels/src/packed.rs` has it, and the parts behind it. Values come
 * first: what a kernel reads behind the last of them is another part or the end that is left free. A weight of 2:4 is rearranged
 * (`packed_pairs.rs`) where its columns allow it, one of few values as well (`packed_lists.rs`).
 */
import * as kernels from "../../../kernels/pkg/kernels.js";
import {
  BYTES,
  expandedDtype,
  firstValue,
  type PackedData,
  type PackedShape,
  ROW_BLOCK,
  rowValues,
  valueBytes,
  type ValueType,
} from "../backend.ts";
import { VALUE_CODES } from "../codes.ts";
import type { Engine } from "./engine.ts";
import type { WasmPacked, WasmTensor } from "./tensor.ts";

/** 32-bit numbers of the descriptor, padded to a cache line. */
const DESCRIPTOR_WORDS = 16;
/** Values, mask, offsets, scales: each may be missing. */
const PARTS = 4;
/** Parts begin at multiples of this, and so much is free behind the last. */
const ALIGNMENT = 32;

/** Where the parts of a weight lie behind its descriptor, and how many bytes all of it takes. */
function layOut(parts: readonly number[]): { places: number[]; bytes: number } {
  const places: number[] = [];
  let bytes = DESCRIPTOR_WORDS * 4;
  for (const part of parts) {
    places.push(bytes);
    bytes += Math.ceil(part / ALIGNMENT) * ALIGNMENT;
  }
  return { places, bytes: bytes + ALIGNMENT };
}

/** How a weight lies, as `packed.rs` numbers it. */
const AS_STORED = 0, PAIRED = 1, HALVED = 2, LISTED = 3;

/**
 * A smaller share of values than this is listed with their columns. Of one thread a listed value takes about 0.8 ns, a number under
 * a mask 0.25 ns, stored or not; a column beside each value is a byte, a mask a bit for every number: at a quarter 6.1 bits a number
 * in place of 5.
 */
const LISTED_BELOW = 0.25;
/** Columns that a byte names, and values that a list is a multiple of. */
const LIST_COLUMNS = 256, LIST_UNIT = 4;

/** See `Backend.uploadPacked`. */
export function uploadPacked(engine: Engine, data: PackedData): WasmPacked {
  const { rows, cols, pattern, valueType, mask, group = cols } = data;
  const stored = [data.values, mask, data.offsets, data.scales];
  if (!mask) return write(engine, data, stored, AS_STORED);
  const { n, m } = typeof pattern === "object" ? pattern : { n: 0, m: 1 };
  if (n === 2 && m === 4 && kernels.can_pair(VALUE_CODES[valueType], cols, group)) {
    const both = Math.ceil(rows / 2) * cols; // values of pairs of rows, and a quarter as many bytes of places
    return rearranged(
      engine,
      data,
      [valueBytes(both, valueType), both / 4, undefined, data.scales],
      PAIRED,
      "pair_rows",
    );
  }
  if (2 * n === m && m <= HALVED_COLUMNS && cols % HALVED_COLUMNS === 0 && valueType !== "F32") {
    return write(engine, data, stored, HALVED);
  }
  const ends = CAN_BE_LISTED.has(valueType) && listEnds(data, mask);
  if (!ends) return write(engine, data, stored, AS_STORED);
  const count = ends.at(-1)! * LIST_UNIT, parts = [count * BYTES.F16, count, new Uint8Array(ends.buffer)];
  return rearranged(engine, data, parts, LISTED, "list_columns");
}

/** Columns of which half are stored, where that is a kind of its own. */
const HALVED_COLUMNS = 16;
/** Values that can be listed. */
const CAN_BE_LISTED: ReadonlySet<ValueType> = new Set(["F16", "BF16"]);

/** Up to where the lists of all runs of columns go, in units; undefined if so many are stored that they are not listed. */
function listEnds({ rows, cols }: PackedShape, mask: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> | undefined {
  const words = new Uint32Array(mask.buffer, mask.byteOffset, mask.byteLength / 4), each = words.length / rows;
  const wordsOfRun = LIST_COLUMNS / 32, ends = new Uint32Array(rows * Math.ceil(cols / LIST_COLUMNS));
  let stored = 0, units = 0, at = 0;
  for (let row = 0; row < rows; row++) {
    for (let word = 0; word < each; word += wordsOfRun) {
      let count = 0;
      for (let i = word; i < Math.min(each, word + wordsOfRun); i++) count += bits(words[row * each + i]);
      stored += count;
      ends[at++] = units += Math.ceil(count / LIST_UNIT);
    }
  }
  return stored < LISTED_BELOW * rows * cols && units ? ends : undefined;
}

/** How many bits of a word are 1. */
function bits(word: number): number {
  word -= word >>> 1 & 0x55555555;
  word = (word & 0x33333333) + (word >>> 2 & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** A weight of parts that a kernel makes of the stored ones. */
function rearranged(
  engine: Engine,
  data: PackedData,
  parts: readonly Part[],
  arrangement: number,
  kernel: "pair_rows" | "list_columns",
): WasmPacked {
  // What is under way only until it is rearranged.
  const offsets = kernel === "list_columns" ? data.offsets : undefined;
  using rows = write(engine, data, [data.values, data.mask, offsets, undefined], AS_STORED);
  return engine.filled(write(engine, data, parts, arrangement), (out) => {
    engine.run("uploadPacked", kernel, rows.offset, out.offset);
  });
}

/** A part's bytes, or room for so many. */
type Part = Uint8Array<ArrayBuffer> | number | undefined;

/** A weight of these parts. */
function write(engine: Engine, data: PackedData, parts: readonly Part[], arrangement: number): WasmPacked {
  const all = Array.from({ length: PARTS }, (_, i) => parts[i]);
  const { places, bytes } = layOut(all.map((part) => typeof part === "number" ? part : part?.length ?? 0));
  const each = rowValues(data);
  return engine.packed(data, bytes, (memory, offset) => {
    new Uint32Array(memory, offset, DESCRIPTOR_WORDS).set([
      ...all.map((part, i) => part === undefined ? 0 : offset + places[i]),
      ...[data.rows, data.cols, VALUE_CODES[data.valueType], data.group ?? data.cols],
      ...each === undefined ? [0, 0] : [each, firstValue(data, ROW_BLOCK)],
      arrangement,
    ]);
    all.forEach((part, i) => {
      if (part instanceof Uint8Array) new Uint8Array(memory, offset + places[i], part.length).set(part);
    });
  });
}

/** See `Backend.expand`. */
export function expand(engine: Engine, weight: WasmPacked): WasmTensor {
  const { rows, cols } = weight, dtype = expandedDtype(weight);
  return engine.filled(engine.tensor(rows, cols, dtype), (out) => {
    const rowBytes = cols * BYTES.F32;
    expandedRows(engine, "expand", weight, EXPANDED_BYTES, (wide, first, count) => {
      const to = out.offset + first * cols * BYTES[dtype];
      if (dtype === "F32") engine.run("expand", "copy", wide, count * rowBytes, to);
      else engine.run("expand", "convert", wide, VALUE_CODES.F32, count * cols, to, VALUE_CODES[dtype]);
    });
  });
}

/** Bytes of rows that are F32 at a time. */
const EXPANDED_BYTES = 4 * 2 ** 20;

/** Expands a weight to F32, run after run of its rows; `use` queues what is done with each. */
export function expandedRows(
  engine: Engine,
  operation: string,
  weight: PackedShape & Pick<WasmPacked, "offset">,
  most: number,
  use: (wide: number, first: number, rows: number) => void,
): void {
  const { rows, cols, offset } = weight, rowBytes = cols * BYTES.F32;
  const each = Math.min(rows, Math.max(1, Math.floor(most / rowBytes / ROW_BLOCK)) * ROW_BLOCK);
  engine.scratch(each * rowBytes, (wide) => {
    for (let first = 0; first < rows; first += each) {
      const count = Math.min(each, rows - first);
      engine.run(operation, "expand_rows", offset, first, count, wide);
      use(wide, first, count);
    }
  });
}
