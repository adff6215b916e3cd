/**
 * Packed weights in the shared memory: a descriptor, as `kernels/src/packed.rs` has it, and the parts behind it. Values come
 * first: what a kernel reads behind the last of them is another part or the end that is left free. A weight of 2:4 is rearranged
 * (`packed_pairs.rs`) where its columns allow it.
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
} from "../backend.ts";
import { VALUE_CODES } from "../codes.ts";
import type { Engine } from "./engine.ts";
import type { WasmPacked, WasmTensor } from "./tensor.ts";

/** 32-bit numbers of the descriptor, padded to a cache line. */
const DESCRIPTOR_WORDS = 16;
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

/** See `Backend.uploadPacked`. */
export function uploadPacked(engine: Engine, data: PackedData): WasmPacked {
  const { cols, pattern, valueType, group = cols } = data;
  const pairs = typeof pattern === "object" && pattern.n === 2 && pattern.m === 4 &&
    kernels.can_pair(VALUE_CODES[valueType], cols, group);
  if (!pairs) return write(engine, data, [data.values, data.mask, data.offsets, data.scales], false);
  using rows = write(engine, data, [data.values, data.mask, undefined, undefined], false);
  const both = Math.ceil(data.rows / 2) * cols; // values of pairs of rows, and a quarter as many bytes of places
  const parts = [valueBytes(both, valueType), both / 4, undefined, data.scales] as const;
  return engine.filled(write(engine, data, parts, true), (out) => {
    engine.run("uploadPacked", "pair_rows", rows.offset, out.offset);
  });
}

/** A weight of these parts, as bytes or room for so many. */
function write(
  engine: Engine,
  data: PackedData,
  parts: readonly (Uint8Array<ArrayBuffer> | number | undefined)[],
  paired: boolean,
): WasmPacked {
  const { places, bytes } = layOut(parts.map((part) => typeof part === "number" ? part : part?.length ?? 0));
  const each = rowValues(data);
  return engine.packed(data, bytes, (memory, offset) => {
    new Uint32Array(memory, offset, DESCRIPTOR_WORDS).set([
      ...parts.map((part, i) => part === undefined ? 0 : offset + places[i]),
      ...[data.rows, data.cols, VALUE_CODES[data.valueType], data.group ?? data.cols],
      ...each === undefined ? [0, 0] : [each, firstValue(data, ROW_BLOCK)],
      paired ? 1 : 0,
    ]);
    parts.forEach((part, i) => {
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
