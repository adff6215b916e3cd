/** Tensors come, are read and are copied. */
import { BYTES, type Dtype } from "../backend.ts";
import type { Device } from "./device.ts";
import { TiledMask, TiledTensor } from "./tensor.ts";

/** See {@linkcode Backend.allocate}. */
export function allocate(device: Device, rows: number, cols: number, dtype: Dtype = "F32"): TiledTensor {
  const tensor = new TiledTensor(device, rows, cols, dtype);
  for (const tile of tensor.tiles) device.clear(tile);
  return tensor;
}

/** See {@linkcode Backend.upload}. */
export function upload(device: Device, bytes: Uint8Array, rows: number, cols: number, dtype: Dtype): TiledTensor {
  const tensor = new TiledTensor(device, rows, cols, dtype);
  let from = 0;
  tensor.tiles.forEach((tile, i) => device.write(tile, bytes.subarray(from, from += tensor.tileBytes(i))));
  return tensor;
}

/** See {@linkcode Backend.read}. */
export async function read(device: Device, ...held: (TiledTensor | TiledMask)[]): Promise<Uint8Array<ArrayBuffer>[]> {
  const tensors = held.map((each) => each instanceof TiledMask ? each.words : each);
  const results = tensors.map(({ rows, cols, dtype }) => new Uint8Array(rows * cols * BYTES[dtype]));
  await device.read(tensors.flatMap((tensor, which) => {
    let from = 0;
    return tensor.tiles.map((buffer, i) => ({
      buffer,
      into: results[which].subarray(from, from += tensor.tileBytes(i)),
    }));
  }));
  return results;
}

/** See {@linkcode Backend.copy}. */
export function copy(device: Device, from: TiledTensor): TiledTensor {
  const to = new TiledTensor(device, from.rows, from.cols, from.dtype);
  from.tiles.forEach((tile, i) => device.copy(tile, 0, to.tiles[i], 0, Math.ceil(from.tileBytes(i) / 4) * 4));
  return to;
}
