/** Running sums: of squares (`kernels/src/sums.rs`) and of products (`kernels/src/gram.rs`). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Engine } from "./engine.ts";
import type { WasmTensor } from "./tensor.ts";

/** See `Backend.addSquares`. */
export function addSquares(engine: Engine, sums: WasmTensor, x: WasmTensor): void {
  const bytes = kernels.square_scratch(x.rows, x.cols) * 8;
  engine.scratch(bytes, (parts) => {
    engine.run("addSquares", "square_parts", x.offset, x.rows, x.cols, parts);
    engine.run("addSquares", "add_parts", sums.offset, x.cols, parts, bytes / (x.cols * 8));
  });
}

/** See `Backend.addGram`. */
export function addGram(engine: Engine, sums: WasmTensor, x: WasmTensor): void {
  const { offset, rows, cols } = x;
  const runs = Math.ceil(rows / kernels.gram_run());
  const most = Math.ceil(rows / runs);
  engine.scratch(kernels.gram_scratch(most, cols) * 4, (strips) => {
    for (let first = 0; first < rows; first += most) {
      const tokens = Math.min(most, rows - first);
      engine.run("addGram", "pack_gram", offset + first * cols * 4, tokens, cols, strips);
      engine.run("addGram", "add_gram", strips, tokens, cols, sums.offset, first + tokens === rows);
    }
  });
}

/** See `Backend.merge`. */
export function merge(engine: Engine, sums: WasmTensor, other: WasmTensor): void {
  engine.run("merge", "merge", sums.offset, other.offset, sums.rows / 2 * sums.cols);
}

/** See `Backend.finish`. */
export function finish(engine: Engine, sums: WasmTensor, scale: number): WasmTensor {
  const out = engine.tensor(sums.rows / 2, sums.cols);
  engine.run("finish", "finish", sums.offset, out.rows * out.cols, scale, out.offset);
  return out;
}
