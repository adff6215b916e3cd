/** A step of the optimiser (`kernels/src/adamw.rs`) and dropout (`kernels/src/dropout.rs`). */
import type { AdamWOptions, DropoutOptions, Moments } from "../backend.ts";
import { adamwConstants, dropoutLimit } from "../operations/tune.ts";
import type { Engine } from "./engine.ts";
import type { Owned, WasmTensor } from "./tensor.ts";

/** See `Backend.adamw`. */
export function adamw(
  engine: Engine,
  weight: WasmTensor,
  { first, second }: Owned<Moments>,
  gradient: WasmTensor,
  { mask, ...options }: Owned<AdamWOptions>,
): void {
  const [scale, firstRate, keep2, rate2, root, epsilon, keep, size] = adamwConstants(options);
  // deno-fmt-ignore
  engine.run("adamw", "adamw", weight.offset, first.offset, second.offset, gradient.offset, weight.rows, weight.cols,
    mask?.offset ?? 0, scale, firstRate, keep2, rate2, root, epsilon, keep, size);
}

/** See `Backend.dropout`. */
export function dropout(engine: Engine, x: WasmTensor, { rate, key }: DropoutOptions): WasmTensor {
  const out = engine.tensor(x.rows, x.cols), scale = 1 / (1 - rate);
  engine.run("dropout", "dropout", x.offset, x.rows * x.cols, key, dropoutLimit(rate), scale, out.offset);
  return out;
}
