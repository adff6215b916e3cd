/**
 * How an operation is declared: its contract is the doc comment of its method in one of the interfaces of this folder, and
 * below the interface stand the rule that its arguments' shapes must keep and what it costs. Rules and costs ask for shapes
 * alone, so a plan can have both without a backend.
 */
import type { PackedWeight, Weight } from "../packed.ts";
import { BYTES, type Mask, type MaskShape, type Tensor, type TensorShape } from "../tensor.ts";

/** An argument by its shape: tensors and masks, however deep, are what they are without their numbers. */
export type ShapeOf<T> = T extends ArrayBufferView ? T
  : T extends Tensor ? TensorShape
  : T extends PackedWeight ? Omit<PackedWeight, typeof Symbol.dispose>
  : T extends Mask ? MaskShape
  : T extends readonly unknown[] ? { [K in keyof T]: ShapeOf<T[K]> }
  : T extends object ? { [K in keyof T as K extends symbol ? never : K]: ShapeOf<T[K]> }
  : T;

/** What one call costs. */
export interface Cost {
  /** Floating-point operations: multiplications, additions, comparisons and functions of one number count one each. */
  readonly flops: number;
  /** Bytes of the arguments and results that it reads and writes, each once. */
  readonly bytes: number;
}

/** The rule and the cost of an operation. */
export interface Declaration<F> {
  /** Throws a `RangeError` that says what was expected and what was found. */
  check(...args: ShapesOf<F>): void;
  /** Of one call with arguments that keep the rule. */
  cost(...args: ShapesOf<F>): Cost;
}

/** The arguments of an operation by their shapes. */
// deno-lint-ignore no-explicit-any
export type ShapesOf<F> = F extends (...args: infer A extends any[]) => unknown ? { [K in keyof A]: ShapeOf<A[K]> }
  : never;

/** The declarations of all operations of an interface. */
export type Declarations<I> = { readonly [K in keyof I]: Declaration<I[K]> };

/** Numbers of a matrix. */
export function size({ rows, cols }: MaskShape): number {
  return rows * cols;
}

/** Bytes of tensors. */
export function bytesOf(...tensors: readonly (TensorShape | undefined)[]): number {
  return tensors.reduce((sum, tensor) => sum + (tensor ? size(tensor) * BYTES[tensor.dtype] : 0), 0);
}

/** Bytes of a weight, dense or packed. */
export function weightBytes(weight: ShapeOf<Weight>): number {
  return "dtype" in weight ? bytesOf(weight) : weight.bytes;
}

/** Bytes of so many F32 numbers. */
export function floats(count: number): number {
  return count * BYTES.F32;
}

/** Bytes of a mask of these rows and columns. */
export function maskBytes({ rows, cols }: MaskShape): number {
  return rows * Math.ceil(cols / 32) * 4;
}
