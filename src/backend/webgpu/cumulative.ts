/**
 * Wanda's variant on the WebGPU backend. The bisection for alpha has a fixed number of steps, so all of them are queued
 * at once and decided on the device; those after the one that meets the sparsity do nothing.
 */
import { type Device, rowsWithin, WORKGROUPS } from "./device.ts";
import { OPAQUE_ZERO } from "./observe.ts";
import { limitsFor, maskFrom } from "./select.ts";
import { runsOf, type TiledMask, TiledTensor } from "./tensor.ts";

/** Where the published bisection of Wanda's variant starts, how near the sparsity must come, and when it gives up. */
const BISECTION = { lo: 0, hi: 0.8, alpha: 0.4, near: 0.001, narrow: 0.001 } as const;

/** Passes over a row for one alpha at most: a quarter of 2^31 values is left after each. */
const MOST_PASSES = 16;

/** Every alpha that the bisection can reach, as a binary tree (the children of `i` are `2i`, `2i + 1`), and its depth. */
function alphaTree(): { alphas: Float32Array<ArrayBuffer>; depth: number } {
  const levels = [[{ ...BISECTION } as { lo: number; hi: number; alpha: number }]];
  for (let level = levels[0]; level[0].hi - level[0].lo >= BISECTION.narrow; levels.push(level)) {
    level = level.flatMap(({ lo, hi, alpha }) => [
      { lo, hi: alpha, alpha: (alpha + lo) / 2 }, // the sparsity was above
      { lo: alpha, hi, alpha: (alpha + hi) / 2 },
    ]);
  }
  return { alphas: Float32Array.from([0, ...levels.flat().map(({ alpha }) => alpha)]), depth: levels.length };
}

/** The least count up to `size` of which something holds that holds of every larger one; `size + 1` if there is none. */
function leastCount(size: number, holds: (count: number) => boolean): number {
  let low = 0, high = size + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** See {@linkcode Backend.selectCumulative}. */
export function selectCumulative(device: Device, scores: TiledTensor, sparsity: number): TiledMask {
  const { rows, cols } = scores;
  const size = rows * cols;
  const { alphas, depth } = alphaTree();
  const tree = device.take(alphas.byteLength);
  device.write(tree, new Uint8Array(alphas.buffer));
  const search = device.take(12);
  device.write(search, new Uint8Array(Uint32Array.of(1, 0, 0).buffer));
  using limits = limitsFor(device, rows);
  using bounds = limitsFor(device, rows);
  using totals = new TiledTensor(device, rows, 1, "F32");
  for (const { first, rows } of runsOf([scores, totals], WORKGROUPS)) {
    device.dispatch({
      shader: "cumulativeTotal",
      constants: { THREADS: device.tuning.lanes },
      params: [OPAQUE_ZERO, cols, scores.placeOf(first), totals.placeOf(first)],
      buffers: [scores.tileOf(first), totals.tileOf(first)],
      groups: [rows],
      work: rows * cols,
    });
  }
  // As the published code has it, in f32: how far the share of the removed is from the sparsity. It grows with `removed`.
  const { fround } = Math, near = fround(BISECTION.near);
  const excess = (removed: number) => fround(fround(fround(removed) / fround(size)) - fround(sparsity));
  const fewest = leastCount(size, (removed) => excess(removed) >= -near);
  const most = leastCount(size, (removed) => excess(removed) > near) - 1;
  for (let level = 0; level < depth; level++) {
    for (const { first, rows } of runsOf([scores, totals, bounds, limits], rowsWithin(cols * MOST_PASSES))) {
      device.dispatch({
        shader: "cumulativeRow",
        constants: { THREADS: device.tuning.lanes },
        params: [
          OPAQUE_ZERO,
          cols,
          scores.placeOf(first),
          totals.placeOf(first),
          bounds.placeOf(first),
          limits.placeOf(first),
        ],
        buffers: [scores.tileOf(first), totals.tileOf(first), tree, search, bounds.tileOf(first), limits.tileOf(first)],
        groups: [rows],
        work: rows * cols * MOST_PASSES,
      });
    }
    device.dispatch({ shader: "cumulativeStep", params: [fewest, most], buffers: [search], groups: [1], work: 1 });
  }
  device.give(search);
  device.give(tree);
  return maskFrom(device, scores, limits);
}
