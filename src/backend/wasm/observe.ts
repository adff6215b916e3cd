/** Running column sums (`kernels/src/sums.rs`). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Sums, Tensor } from "../backend.ts";
import * as shapes from "../shapes.ts";
import { type Engine, own } from "./engine.ts";
import type { WasmTensor } from "./tensor.ts";

/** See `Backend.addSquares`. */
export function addSquares(engine: Engine, sums: Sums, x: Tensor): void {
  shapes.addSquares(sums, x);
  const [s, a] = [own(sums), own(x)];
  const bytes = kernels.square_scratch(a.rows, a.cols) * 8;
  engine.scratch(bytes, (parts) => {
    engine.run("addSquares", "square_parts", a.offset, a.rows, a.cols, parts);
    engine.run("addSquares", "add_parts", s.offset, a.cols, parts, bytes / (a.cols * 8));
  });
}

/** See `Backend.merge`. */
export function merge(engine: Engine, sums: Sums, other: Sums): void {
  shapes.merge(sums, other);
  const [s, o] = [own(sums), own(other)];
  engine.run("merge", "merge", s.offset, o.offset, s.cols);
}

/** See `Backend.finish`. */
export function finish(engine: Engine, sums: Sums, scale: number): WasmTensor {
  shapes.finish(sums);
  const s = own(sums);
  const out = engine.tensor(1, s.cols);
  engine.run("finish", "finish", s.offset, s.cols, scale, out.offset);
  return out;
}
