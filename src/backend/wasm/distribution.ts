/** Zeros, densities, extremes and histograms (`kernels/src/` has a file for each). */
import * as kernels from "../../../kernels/pkg/kernels.js";
import type { Engine } from "./engine.ts";
import type { WasmMask, WasmTensor } from "./tensor.ts";

/** See `Backend.zeros`. */
export function zeros(engine: Engine, { offset, code, rows, cols }: WasmTensor): WasmMask {
  const mask = engine.mask(rows, cols);
  engine.run("zeros", "zeros", offset, code, rows, cols, mask.offset);
  return mask;
}

/** See `Backend.density`. */
export function density(engine: Engine, { offset, rows, cols }: WasmMask, down: number, across: number): WasmTensor {
  const out = engine.tensor(down, across);
  engine.run("density", "density", offset, rows, cols, down, across, out.offset);
  return out;
}

/** See `Backend.extremes`. */
export function extremes(engine: Engine, { offset, code, rows, cols }: WasmTensor, mask: WasmMask): WasmTensor {
  const out = engine.tensor(rows, 3);
  engine.run("extremes", "extremes", offset, code, rows, cols, mask.offset, out.offset);
  return out;
}

/** See `Backend.histogram`. */
export function histogram(engine: Engine, { offset, code, rows, cols }: WasmTensor, bins: number): WasmTensor {
  const name = "histogram", size = rows * cols, { workers } = engine;
  return engine.filled(engine.tensor(2, bins), (out) => {
    const bytes = kernels.histogram_tables(workers, bins) * 4;
    engine.scratch(bytes, (tables) => {
      engine.run(name, "zero", tables, bytes);
      engine.scratch(kernels.histogram_runs(size) * 4, (parts) => {
        engine.run(name, "greatest_parts", offset, code, size, parts);
        engine.run(name, "histogram_parts", offset, code, size, bins, parts, tables);
      });
      engine.run(name, "histogram_total", tables, workers, bins, out.offset);
    });
  });
}
