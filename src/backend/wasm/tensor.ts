/** Tensors and masks as this backend holds them: a piece of the shared memory with a shape. */
import type { Dtype, Mask, PackedPattern, PackedShape, PackedWeight, Tensor, ValueType } from "../backend.ts";
import { DTYPE_CODES } from "../codes.ts";
import type { Owned as Bound } from "../bind.ts";

/** Something with a shape that lies in the shared memory. */
export abstract class Held {
  #free: ((held: Held) => void) | undefined;

  constructor(
    readonly rows: number,
    readonly cols: number,
    readonly offset: number,
    readonly bytes: number,
    free: (held: Held) => void,
  ) {
    this.#free = free;
  }

  /** Whether its owner has let go of it. */
  get disposed(): boolean {
    return !this.#free;
  }

  [Symbol.dispose](): void {
    this.#free?.(this);
    this.#free = undefined;
  }
}

/** A tensor in the shared memory. */
export class WasmTensor extends Held implements Tensor {
  constructor(
    rows: number,
    cols: number,
    readonly dtype: Dtype,
    offset: number,
    bytes: number,
    free: (held: Held) => void,
  ) {
    super(rows, cols, offset, bytes, free);
  }

  /** The dtype as the kernels number it. */
  get code(): number {
    return DTYPE_CODES[this.dtype];
  }
}

/** A mask in the shared memory. */
export class WasmMask extends Held implements Mask {}

/** A packed weight in the shared memory: its descriptor (`packed.rs`), then its parts. */
export class WasmPacked extends Held implements PackedWeight {
  readonly valueType: ValueType;
  readonly pattern: PackedPattern;
  readonly group?: number;

  constructor(
    { rows, cols, valueType, pattern, group }: PackedShape,
    offset: number,
    bytes: number,
    free: (held: Held) => void,
  ) {
    super(rows, cols, offset, bytes, free);
    this.valueType = valueType;
    this.pattern = pattern;
    this.group = group;
  }
}

/** An argument whose tensors, masks and packed weights are this backend's. */
export type Owned<A> = Bound<A, WasmTensor, WasmMask, WasmPacked>;

/** Throws a `RangeError` for what is another backend's, or was disposed of. */
export function own(held: Tensor | Mask | PackedWeight): void {
  if (!(held instanceof Held)) throw new RangeError("expected a tensor or mask of the WASM backend, found another");
  if (held.disposed) throw new RangeError(`expected ${held.rows} x ${held.cols} numbers, found them disposed`);
}
