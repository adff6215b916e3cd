/** Tensors come, are read and are copied. */
import type { Dtype } from "../backend.ts";
import type { Engine } from "./engine.ts";
import type { WasmMask, WasmTensor } from "./tensor.ts";

/** See `Backend.allocate`. */
export function allocate(engine: Engine, rows: number, cols: number, dtype?: Dtype): WasmTensor {
  const tensor = engine.tensor(rows, cols, dtype);
  engine.run("allocate", "zero", tensor.offset, tensor.bytes);
  return tensor;
}

/** See `Backend.upload`. */
export function upload(engine: Engine, bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): WasmTensor {
  return engine.upload(bytes, rows, cols, dtype);
}

/** See `Backend.read`. */
export function read(engine: Engine, ...held: (WasmTensor | WasmMask)[]): Promise<Uint8Array<ArrayBuffer>[]> {
  return engine.team.fence(held);
}

/** See `Backend.copy`. */
export function copy(engine: Engine, tensor: WasmTensor): WasmTensor {
  return engine.copy(tensor);
}
