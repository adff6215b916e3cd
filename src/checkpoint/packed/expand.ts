/**
 * Rows of a packed matrix (`src/backend/packed.ts`) as a dense file has them, and the check that its parts agree. What a file says
 * is not believed: a mask that counts other values than the offsets, or a group with too few, would give numbers that were
 * never there.
 */
import {
  alignValues,
  expandedDtype,
  firstValue,
  isQuantized,
  type PackedData,
  type PackedShape,
  ROW_BLOCK,
  rowValues,
  SEGMENT,
  VALUE_BITS,
} from "../../backend/backend.ts";
import { bitPatterns } from "../bits.ts";
import { countBits } from "./pack.ts";

/** Neighbouring rows of a packed matrix: its parts, cut at them. */
export interface PackedRows extends PackedData {
  /** The row of the matrix that these begin with. */
  readonly first: number;
  /** The number of the value that `values` begins with. */
  readonly valuesFrom: number;
}

/** The number of the value that each row begins with, and behind the last one where its values end. */
export function rowStarts(shape: PackedShape, first: number, mask?: Uint32Array, offsets?: Uint32Array): Float64Array {
  const { rows, cols } = shape, starts = new Float64Array(rows + 1), each = rowValues(shape);
  for (let row = 0; row < rows; row++) {
    starts[row] = each === undefined ? offsets![row * Math.ceil(cols / SEGMENT)] : firstValue(shape, first + row);
  }
  starts[rows] = starts[rows - 1] + (each ?? countRow(mask!, rows - 1, cols));
  return starts;
}

function countRow(mask: Uint32Array, row: number, cols: number): number {
  const perRow = Math.ceil(cols / 32);
  let count = 0;
  for (let word = row * perRow; word < (row + 1) * perRow; word++) count += countBits(mask[word]);
  return count;
}

/**
 * What is wrong with the mask or the offsets of rows, in words that follow the name of the tensor; undefined if nothing is.
 * @param first The row of the matrix that they begin with: offsets of the first one must go on from nothing.
 */
export function findContradiction(
  shape: PackedShape,
  first: number,
  mask?: Uint32Array,
  offsets?: Uint32Array,
): string | undefined {
  const { rows, cols, pattern, valueType } = shape, perRow = Math.ceil(cols / 32), segments = Math.ceil(cols / SEGMENT);
  if (!mask) return undefined;
  const last = cols % 32;
  let at = offsets && first > 0 ? offsets[0] : 0;
  for (let row = 0; row < rows; row++) {
    if (last && mask[(row + 1) * perRow - 1] >>> last) {
      return `the mask of row ${first + row} has bits behind its ${cols} columns`;
    }
    if ((first + row) % ROW_BLOCK === 0) at = alignValues(at, valueType);
    for (let word = 0; word < perRow; word++) {
      const bits = mask[row * perRow + word];
      if (typeof pattern === "object") {
        const found = wrongGroup(bits, pattern, Math.min(32, cols - word * 32));
        if (found === undefined) continue;
        return `the mask of row ${first + row} keeps ${found} of ${pattern.m} from column ${
          word * 32
        } on, expected ${pattern.n}`;
      }
      if (word % (SEGMENT / 32) === 0 && offsets![row * segments + word / (SEGMENT / 32)] !== at) {
        const said = offsets![row * segments + word / (SEGMENT / 32)];
        return `row ${first + row}: column ${word * 32} is said to begin with value ${said}; by the mask it is ${at}`;
      }
      at += countBits(bits);
    }
  }
}

/** How many numbers a group of a word keeps that keeps others than `n`; undefined if all keep `n`. */
function wrongGroup(
  bits: number,
  { n, m }: { readonly n: number; readonly m: number },
  columns: number,
): number | undefined {
  const group = m === 32 ? -1 : (1 << m) - 1;
  for (let shift = 0; shift < columns; shift += m) {
    const found = countBits(bits >>> shift & group);
    if (found !== n) return found;
  }
}

/** The values of some rows, as numbers that can be picked: patterns of a float's bits, or integers. */
function readValues(
  { values, valueType }: Pick<PackedData, "values" | "valueType">,
): { readonly [at: number]: number } {
  if (!isQuantized(valueType)) return bitPatterns(values, valueType);
  if (valueType === "I8") return new Int8Array(values.buffer, values.byteOffset, values.length);
  const integers = new Int8Array(values.length * 2);
  for (let i = 0; i < values.length; i++) {
    integers[2 * i] = (values[i] & 15) - 8;
    integers[2 * i + 1] = (values[i] >> 4) - 8;
  }
  return integers;
}

/** Rows as a dense file has them: in the dtype of the values, or F32 where they are integers. */
export function expandRows(part: PackedRows): Uint8Array<ArrayBuffer> {
  const { rows, cols, valueType, group = cols, first, valuesFrom } = part;
  const mask = part.mask && bitPatterns(part.mask, "F32") as Uint32Array;
  const offsets = part.offsets && bitPatterns(part.offsets, "F32") as Uint32Array;
  const starts = rowStarts(part, first, mask, offsets), values = readValues(part);
  const bytes = new Uint8Array(rows * cols * VALUE_BITS[expandedDtype({ valueType })] / 8);
  const scales = part.scales && bitPatterns(part.scales, "BF16");
  const out = scales ? new Float32Array(bytes.buffer) : bitPatterns(bytes, expandedDtype({ valueType }));
  const perRow = Math.ceil(cols / 32), perScale = Math.ceil(cols / group);
  const bit = new Uint32Array(1), scale = new Float32Array(bit.buffer);
  for (let row = 0; row < rows; row++) {
    let at = starts[row] - valuesFrom;
    for (let word = 0; word < perRow; word++) {
      const begin = row * cols + word * 32, end = Math.min(32, cols - word * 32);
      let bits = mask ? mask[row * perRow + word] : end < 32 ? (1 << end) - 1 : -1;
      if (scales) {
        bit[0] = scales[row * perScale + Math.floor(word * 32 / group)] << 16;
        const unit = scale[0];
        for (; bits !== 0; bits &= bits - 1) out[begin + 31 - Math.clz32(bits & -bits)] = values[at++] * unit;
      } else {
        for (; bits !== 0; bits &= bits - 1) out[begin + 31 - Math.clz32(bits & -bits)] = values[at++];
      }
    }
  }
  return bytes;
}
