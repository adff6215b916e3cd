/**
 * RIA's scores on the WebGPU backend: the magnitudes of rows and columns are added up as pairs, tile by tile.
 */
import { DTYPE_CODES } from "../codes.ts";
import { type Device, line, rowsWithin, THREADS } from "./device.ts";
import { OPAQUE_ZERO } from "./observe.ts";
import { runsOf, TiledTensor } from "./tensor.ts";

/** Rounds of a loop at most: Mesa's llvmpipe ends any loop after 65535. */
const ROUNDS = 2 ** 15;

/** See {@linkcode Formula}, `relative`. */
export function relative(device: Device, weight: TiledTensor, statistic: TiledTensor): TiledTensor {
  const { rows, cols } = weight;
  const scores = new TiledTensor(device, rows, cols, "F32");
  using byRow = zeroPairs(device, rows);
  const byCol = device.take(cols * 8);
  device.clear(byCol);
  const add = (source: GPUBuffer, sums: GPUBuffer, lines: Lines): void =>
    device.dispatch({
      shader: "magnitudeSums",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype] },
      params: [OPAQUE_ZERO, lines.lines, lines.length, lines.at, lines.across, lines.along, lines.first],
      buffers: [source, sums],
      groups: [Math.ceil(lines.lines / THREADS)],
      work: lines.lines * lines.length,
    });
  for (const run of runsOf([weight, byRow], Math.min(ROUNDS, rowsWithin(cols)))) {
    const source = weight.tileOf(run.first);
    const at = weight.placeOf(run.first) * cols;
    add(source, byCol, { lines: cols, length: run.rows, at, across: 1, along: cols, first: 0 });
    const first = byRow.placeOf(run.first);
    for (let col = 0; col < cols; col += ROUNDS) {
      const length = Math.min(ROUNDS, cols - col);
      add(source, byRow.tileOf(run.first), { lines: run.rows, length, at: at + col, across: cols, along: 1, first });
    }
  }
  for (const { first, rows } of runsOf([weight, scores, byRow])) {
    const work = rows * cols;
    device.dispatch({
      shader: "relative",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype] },
      params: [rows, cols, weight.placeOf(first), scores.placeOf(first), byRow.placeOf(first)],
      buffers: [weight.tileOf(first), statistic.tiles[0], byRow.tileOf(first), byCol, scores.tileOf(first)],
      groups: line(work, THREADS),
      work,
    });
  }
  device.give(byCol);
  return scores;
}

/** Rows or columns as magnitude_sums.wgsl sees them. */
interface Lines {
  readonly lines: number;
  readonly length: number;
  readonly at: number;
  readonly across: number;
  readonly along: number;
  readonly first: number;
}

function zeroPairs(device: Device, rows: number): TiledTensor {
  const pairs = new TiledTensor(device, rows, 2, "F32");
  for (const tile of pairs.tiles) device.clear(tile);
  return pairs;
}
