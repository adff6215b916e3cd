/** The numbers by which kernels know kinds of things: the same in `kernels/src/` and in `wgsl/`. */
import type { Dtype, EliminationFormula, MapFunction, ValueType } from "./backend.ts";

/** Dtypes (`dtype.rs`, `numbers.wgsl`). */
export const DTYPE_CODES: Readonly<Record<Dtype, number>> = { F32: 0, F16: 1, BF16: 2 };

/** What shaders know as no tensor, where one may be missing (`norm.wgsl`, `combine.wgsl`). */
export const NO_DTYPE = 3;

/** Values of packed weights (`packed.rs`, `packed.wgsl`). */
export const VALUE_CODES: Readonly<Record<ValueType, number>> = { ...DTYPE_CODES, I8: 3, I4: 4 };

/** Functions of one number (`activation.rs`, `activate.wgsl`). */
export const FUNCTION_CODES: Readonly<Record<MapFunction["kind"], number>> = {
  silu: 0,
  gelu: 1,
  gelu_tanh: 2,
  relu: 3,
  scale: 4,
  soft_cap: 5,
};

/** The number that a function takes besides x. */
export function functionFactor(fn: MapFunction): number {
  return fn.kind === "scale" ? fn.factor : fn.kind === "soft_cap" ? fn.cap : 0;
}

/** Scores of an elimination (`worth.rs`, `worth.wgsl`). */
export const FORMULA_CODES: Readonly<Record<EliminationFormula["kind"], number>> = {
  magnitude: 0,
  activation: 1,
  curvature: 2,
};
