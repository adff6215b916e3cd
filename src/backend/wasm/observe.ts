/** Running column sums (`kernels/src/sums.rs`). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Sums, Tensor } from "../backend.ts";
import { type Engine, expectShape, own } from "./engine.ts";
import type { WasmTensor } from "./tensor.ts";

export function addSquares(engine: Engine, sums: Sums, x: Tensor): void {
  const [s, a] = [own("addSquares", "sums", sums, "F32"), own("addSquares", "x", x, "F32")];
  expectShape("addSquares", "sums", s, 2, a.cols);
  const bytes = kernels.square_scratch(a.rows, a.cols) * 8;
  engine.scratch(bytes, (parts) => {
    engine.run("addSquares", "square_parts", a.offset, a.rows, a.cols, parts);
    engine.run("addSquares", "add_parts", s.offset, a.cols, parts, bytes / (a.cols * 8));
  });
}

export function merge(engine: Engine, sums: Sums, other: Sums): void {
  const [s, o] = [own("merge", "sums", sums, "F32"), own("merge", "other", other, "F32")];
  expectShape("merge", "sums", s, 2, s.cols);
  expectShape("merge", "other", o, 2, s.cols);
  engine.run("merge", "merge", s.offset, o.offset, s.cols);
}

export function finish(engine: Engine, sums: Sums, scale: number): WasmTensor {
  const s = own("finish", "sums", sums, "F32");
  expectShape("finish", "sums", s, 2, s.cols);
  const out = engine.tensor(1, s.cols);
  engine.run("finish", "finish", s.offset, s.cols, scale, out.offset);
  return out;
}
