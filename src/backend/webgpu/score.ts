/**
 * Scores and the zeroing of what a mask removes, on the WebGPU backend.
 */
import type { Formula } from "../backend.ts";
import { DTYPE_CODES } from "../codes.ts";
import { type Device, line, THREADS, WORKGROUPS } from "./device.ts";
import { OPAQUE_ZERO } from "./observe.ts";
import { relative } from "./relative.ts";
import { type Owned, runsOf, type TiledMask, TiledTensor } from "./tensor.ts";

/** Rows of one thread of score.wgsl, which takes a root for each column it has. */
const COLUMN_ROWS = 16;

/** See {@linkcode Backend.score}. */
export function score(device: Device, weight: TiledTensor, formula: Owned<Formula>): TiledTensor {
  if (formula.kind === "relative") return relative(device, weight, formula.statistic);
  const scores = new TiledTensor(device, weight.rows, weight.cols, "F32");
  const statistic = formula.kind === "activation" ? formula.statistic : undefined;
  for (const { first, rows } of runsOf([weight, scores], WORKGROUPS * COLUMN_ROWS)) {
    device.dispatch({
      shader: "score",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype], ACTIVATION: statistic ? 1 : 0, ROWS: COLUMN_ROWS },
      params: [OPAQUE_ZERO, rows, weight.cols, weight.placeOf(first), scores.placeOf(first)],
      buffers: [weight.tileOf(first), (statistic ?? weight).tiles[0], scores.tileOf(first)],
      groups: [Math.ceil(weight.cols / THREADS), Math.ceil(rows / COLUMN_ROWS)],
      work: rows * weight.cols,
    });
  }
  return scores;
}

/** See {@linkcode Backend.apply}. */
export function apply(device: Device, weight: TiledTensor, { words }: TiledMask): void {
  for (const { first, rows } of runsOf([weight, words])) {
    const work = rows * weight.cols;
    device.dispatch({
      shader: "apply",
      constants: { WEIGHT: DTYPE_CODES[weight.dtype] },
      params: [rows, weight.cols, words.cols, weight.placeOf(first), words.placeOf(first)],
      buffers: [words.tileOf(first), weight.tileOf(first)],
      groups: line(work, THREADS), // one more word than numbers / 2 where rows begin within a word
      work,
    });
  }
}
