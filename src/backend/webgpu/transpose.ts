/**
 * Transposes: columns are selected as the rows of the transposed scores, and their mask is turned back.
 */
import { type Device, line, THREADS } from "./device.ts";
import { runsOf, type TiledMask, TiledTensor, zeroMask } from "./tensor.ts";

/** The transpose of an F32 matrix. */
export function transpose(device: Device, scores: TiledTensor): TiledTensor {
  const out = new TiledTensor(device, scores.cols, scores.rows, "F32");
  for (const source of runsOf([scores])) {
    for (const { first, rows } of runsOf([out])) {
      const work = source.rows * rows;
      device.dispatch({
        shader: "transpose",
        params: [source.rows, scores.cols, source.first, first, rows, scores.rows],
        buffers: [scores.tileOf(source.first), out.tileOf(first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
  return out;
}

/** The transpose of a mask. */
export function transposeMask(device: Device, mask: TiledMask): TiledMask {
  const out = zeroMask(device, mask.cols, mask.rows);
  for (const source of runsOf([mask.words])) {
    for (const { first, rows } of runsOf([out.words])) {
      const work = rows * out.words.cols;
      device.dispatch({
        shader: "transposeMask",
        params: [rows, out.words.cols, first, mask.words.cols, source.first, source.first + source.rows],
        buffers: [mask.words.tileOf(source.first), out.words.tileOf(first)],
        groups: line(work, THREADS),
        work,
      });
    }
  }
  return out;
}
