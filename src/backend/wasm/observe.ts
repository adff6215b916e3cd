/** Running sums: of squares (`kernels/src/sums.rs`) and of products (`kernels/src/gram.rs`). */
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

/** See `Backend.addGram`. */
export function addGram(engine: Engine, sums: Sums, x: Tensor): void {
  shapes.addGram(sums, x);
  const [s, { offset, rows, cols }] = [own(sums), own(x)];
  const runs = Math.ceil(rows / kernels.gram_run());
  const most = Math.ceil(rows / runs);
  engine.scratch(kernels.gram_scratch(most, cols) * 4, (strips) => {
    for (let first = 0; first < rows; first += most) {
      const tokens = Math.min(most, rows - first);
      engine.run("addGram", "pack_gram", offset + first * cols * 4, tokens, cols, strips);
      engine.run("addGram", "add_gram", strips, tokens, cols, s.offset, first + tokens === rows);
    }
  });
}

/** See `Backend.merge`. */
export function merge(engine: Engine, sums: Sums, other: Sums): void {
  shapes.merge(sums, other);
  const [s, o] = [own(sums), own(other)];
  engine.run("merge", "merge", s.offset, o.offset, s.rows / 2 * s.cols);
}

/** See `Backend.finish`. */
export function finish(engine: Engine, sums: Sums, scale: number): WasmTensor {
  shapes.finish(sums);
  const s = own(sums);
  const out = engine.tensor(s.rows / 2, s.cols);
  engine.run("finish", "finish", s.offset, out.rows * out.cols, scale, out.offset);
  return out;
}
