/** Operations on packed weights: as they lie for a few rows of x, expanded for more. */
import { BYTES, expandedDtype, type PackedData } from "../backend.ts";
import { type Device, line, rowsWithin, THREADS } from "./device.ts";
import { FEW, linear as denseLinear, multiply, multiplyFew, PACKED_BYTES, wholeReads } from "./linear.ts";
import { runsOf, TiledTensor } from "./tensor.ts";
import { TiledPacked } from "./tiled_packed.ts";
import { wholeVectors } from "./vectors.ts";

/** See {@linkcode Backend.uploadPacked}. */
export function uploadPacked(device: Device, data: PackedData): TiledPacked {
  return new TiledPacked(device, data);
}

/** See {@linkcode Backend.expand}. */
export function expand(device: Device, weight: TiledPacked): TiledTensor {
  const out = new TiledTensor(device, weight.rows, weight.cols, expandedDtype(weight));
  expandRows(device, weight, 0, out);
  return out;
}

/** Fills a matrix with rows of a weight, from `from` on: in F32, or in the dtype of its values. */
function expandRows(device: Device, weight: TiledPacked, from: number, out: TiledTensor): void {
  const { cols } = weight, perWord = BYTES.F32 / BYTES[out.dtype];
  // Two rows of odd length in two bytes a number end on a whole word.
  const together = cols % perWord === 0 ? 1 : perWord;
  const most = Math.max(1, Math.floor(rowsWithin(cols) / together)) * together;
  for (const tile of weight.tiles) {
    const begin = Math.max(tile.first, from), end = Math.min(tile.first + tile.rows, from + out.rows);
    for (let row = begin; row < end;) {
      const place = out.placeOf(row - from);
      const rows = Math.min(most, end - row, out.tileRows - place);
      device.dispatch({
        shader: "expand",
        constants: { ...weight.constants, SHORT: perWord - 1 },
        params: [rows * cols, cols, row - tile.first, place * cols / perWord],
        buffers: [...tile.buffers, out.tileOf(row - from)],
        groups: line(Math.ceil(rows * cols / perWord), THREADS),
        work: rows * cols,
      });
      row += rows;
    }
  }
}

/** See {@linkcode Backend.linear}. */
export function linear(
  device: Device,
  x: TiledTensor,
  weight: TiledTensor | TiledPacked,
  bias?: TiledTensor,
): TiledTensor {
  if (weight instanceof TiledTensor) return denseLinear(device, x, weight, bias);
  const out = new TiledTensor(device, x.rows, weight.rows, "F32");
  if (x.rows > FEW) expandAndMultiply(device, x, weight, out, bias);
  else {
    const reads = wholeReads(weight);
    const parts = weight.tiles.map(({ first, rows, buffers }) => {
      const [values, mask, , scales] = buffers;
      return { first, rows, row: 0, buffers: reads ? [values, mask, scales] : buffers };
    });
    multiplyFew(device, x, { ...reads ?? { shader: "linearPacked", constants: weight.constants }, parts }, out, bias);
  }
  return out;
}

/** Expands as many rows of a weight as one packed copy may hold, and multiplies with them. */
function expandAndMultiply(
  device: Device,
  x: TiledTensor,
  weight: TiledPacked,
  out: TiledTensor,
  bias?: TiledTensor,
): void {
  using copy = wholeVectors(device, x);
  const vectors = copy ?? x, each = Math.max(1, Math.floor(PACKED_BYTES / (weight.cols * BYTES.F32)));
  for (let from = 0; from < weight.rows; from += each) {
    using dense = new TiledTensor(device, Math.min(each, weight.rows - from), weight.cols, "F32");
    expandRows(device, weight, from, dense);
    for (const part of runsOf([dense])) {
      for (const run of runsOf([vectors, out])) {
        multiply(
          device,
          { x: vectors, first: run.first, rows: run.rows },
          { weight: dense, first: part.first, outputs: part.rows, bias, biasAt: from + part.first },
          { out: out.tileOf(run.first), row: out.placeOf(run.first), cols: out.cols, col: from + part.first },
        );
      }
    }
  }
}
