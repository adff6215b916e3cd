/** Weights that are not dense come, and become dense. {@linkcode ForwardOperations.linear} multiplies with them. */
import {
  expandedDtype,
  isQuantized,
  type PackedData,
  type PackedShape,
  type PackedWeight,
  partBytes,
  refusePackedShape,
} from "../packed.ts";
import { BYTES, type Tensor } from "../tensor.ts";
import { type Declarations, size } from "./declaration.ts";
import { expect, expectCount } from "./expect.ts";

/** See the file's head. */
export interface PackedOperations {
  /**
   * A packed weight of these parts (`packed.ts`); their bytes may be reused at once. That mask, offsets and the number of values
   * agree is the caller's to know.
   */
  uploadPacked(data: PackedData): PackedWeight;
  /** The same weight dense: in the dtype of its values, or F32 where they are integers. Every number is exact. */
  expand(weight: PackedWeight): Tensor;
}

/** Throws unless every part is as long as the shape says. */
function expectParts(data: PackedData): void {
  const bytes = partBytes(data);
  for (const part of ["values", "mask", "offsets", "scales"] as const) {
    if (part === "values" && bytes.values === undefined) continue;
    expect(`uploadPacked: bytes of ${part}`, bytes[part] ?? 0, data[part]?.length ?? 0);
  }
}

/** Throws for a shape that is none. */
function expectPackedShape(shape: PackedShape): void {
  expectCount("uploadPacked: rows", shape.rows);
  expectCount("uploadPacked: columns", shape.cols);
  const wrong = refusePackedShape(shape);
  if (wrong) throw new RangeError(`uploadPacked: expected ${wrong}`);
}

/** Bytes of the parts. */
const dataBytes = ({ values, mask, offsets, scales }: PackedData): number =>
  [values, mask, offsets, scales].reduce((sum, part) => sum + (part?.length ?? 0), 0);

/** What each takes and costs. */
export const PACKED: Declarations<PackedOperations> = {
  uploadPacked: {
    check(data) {
      expectPackedShape(data);
      expectParts(data);
    },
    cost: (data) => ({ flops: 0, bytes: dataBytes(data) }),
  },
  expand: {
    check() {},
    cost: (weight) => ({
      flops: isQuantized(weight.valueType) ? size(weight) : 0,
      bytes: weight.bytes + size(weight) * BYTES[expandedDtype(weight)],
    }),
  },
};
