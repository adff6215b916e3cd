/**
 * The selections of the WebGPU backend. Each finds limits first (for every row: the value below which all scores go,
 * and how many equal to it go too), and then writes the mask from them. Nothing is sorted, nothing is read back.
 */
import type { Selection } from "../backend.ts";
import { type Device, line, WORKGROUPS } from "./device.ts";
import { THREADS } from "./linear.ts";
import { OPAQUE_ZERO } from "./observe.ts";
import { runsOf, TiledMask, TiledTensor } from "./tensor.ts";

/** The digits of a score (digits.wgsl), from the top: each one's 1. */
const UNITS = Array.from({ length: 8 }, (_, i) => 2 ** (28 - 4 * i));

/** Scores that one workgroup of select_count.wgsl counts, about. */
const BLOCK_SCORES = 2 ** 14;

/** 32-bit words of a group's state (select_count.wgsl). */
const GROUP_WORDS = 19;

/** Tiles of limits: two words a row. */
function limitsFor(device: Device, rows: number): TiledTensor {
  return new TiledTensor(device, rows, 2, "F32");
}

/** See {@linkcode Backend.selectSmallest}. */
export function selectSmallest(device: Device, scores: TiledTensor, selection: Selection): TiledMask {
  const { group, sparsity, rule } = selection;
  if (group === "column") {
    using transposed = transpose(device, scores);
    using mask = selectSmallest(device, transposed, { group: 1, sparsity, rule });
    return transposeMask(device, mask);
  }
  if (sparsity === 0) return emptyMask(device, scores.rows, scores.cols);
  using limits = limitsFor(device, scores.rows);
  const allTies = rule === "threshold" ? 1 : 0;
  if (group === 1) {
    const remove = Math.floor(scores.cols * sparsity);
    for (const { first, rows } of runsOf([scores, limits], WORKGROUPS)) {
      device.dispatch({
        shader: "selectRow",
        constants: { THREADS: device.tuning.lanes },
        params: [scores.cols, scores.placeOf(first), limits.placeOf(first), remove, allTies],
        buffers: [scores.tileOf(first), limits.tileOf(first)],
        groups: [rows],
        work: rows * scores.cols * UNITS.length,
      });
    }
  } else {
    findLimits(device, scores, limits, Math.min(group, scores.rows), sparsity, allTies);
  }
  return maskFrom(device, scores, limits);
}

/** The limits of groups of many rows, which may lie in several tiles: as many groups at a time as one state holds. */
function findLimits(
  device: Device,
  scores: TiledTensor,
  limits: TiledTensor,
  groupRows: number,
  sparsity: number,
  allTies: number,
): void {
  const { rows, cols } = scores;
  const groups = Math.ceil(rows / groupRows);
  const held = Math.min(groups, Math.floor(device.bindingLimit / (4 * GROUP_WORDS)));
  const lastRows = rows - (groups - 1) * groupRows;
  const remove = Math.floor(groupRows * cols * sparsity);
  const removeLast = Math.floor(lastRows * cols * sparsity);
  const blockRows = Math.min(groupRows, Math.max(1, Math.ceil(BLOCK_SCORES / cols)));
  const groupBlocks = Math.ceil(groupRows / blockRows);
  const blockOf = (row: number) => Math.floor(row / groupRows) * groupBlocks + Math.floor(row % groupRows / blockRows);
  const state = device.take(held * 4 * GROUP_WORDS);
  for (let firstGroup = 0; firstGroup < groups; firstGroup += held) {
    const count = Math.min(held, groups - firstGroup);
    const firstRow = firstGroup * groupRows;
    const endRow = Math.min(rows, firstRow + count * groupRows);
    device.clear(state);
    for (const unit of UNITS) {
      for (const run of runsOf([scores], Infinity, firstRow, endRow)) {
        const end = run.first + run.rows;
        const firstBlock = blockOf(run.first);
        const endBlock = blockOf(end - 1) + 1;
        device.dispatch({
          shader: "selectCount",
          constants: { THREADS: device.tuning.lanes },
          params: [
            cols,
            run.first - scores.placeOf(run.first),
            run.first,
            end,
            groupRows,
            firstGroup,
            blockRows,
            groupBlocks,
            firstBlock,
            endBlock,
            unit,
          ],
          buffers: [scores.tileOf(run.first), state],
          groups: line(endBlock - firstBlock, 1),
          work: run.rows * cols,
        });
      }
      device.dispatch({
        shader: "selectStep",
        params: [count, unit, remove, removeLast, groups - 1 - firstGroup, allTies],
        buffers: [state],
        groups: [Math.ceil(count / THREADS)],
        work: count,
      });
    }
    for (const run of runsOf([scores, limits], WORKGROUPS, firstRow, endRow)) {
      device.dispatch({
        shader: "selectTies",
        constants: { THREADS: device.tuning.lanes },
        params: [cols, scores.placeOf(run.first), limits.placeOf(run.first), run.first, groupRows, firstGroup],
        buffers: [scores.tileOf(run.first), state, limits.tileOf(run.first)],
        groups: [run.rows],
        work: run.rows * cols,
      });
    }
    for (const run of runsOf([limits], Infinity, firstRow, endRow)) {
      const end = run.first + run.rows;
      const group = Math.floor(run.first / groupRows);
      const endGroup = Math.ceil(end / groupRows);
      device.dispatch({
        shader: "selectShare",
        params: [limits.placeOf(run.first), run.first, end, groupRows, firstGroup, group, endGroup],
        buffers: [state, limits.tileOf(run.first)],
        groups: [Math.ceil((endGroup - group) / THREADS)],
        work: run.rows,
      });
    }
  }
  device.give(state);
}

/** The mask of rows whose limits are known. */
function maskFrom(device: Device, scores: TiledTensor, limits: TiledTensor): TiledMask {
  const mask = new TiledMask(device, scores.rows, scores.cols);
  const { words } = mask;
  for (const { first, rows } of runsOf([scores, limits, words], WORKGROUPS)) {
    device.dispatch({
      shader: "selectMask",
      constants: { THREADS: device.tuning.lanes },
      params: [scores.cols, words.cols, scores.placeOf(first), limits.placeOf(first), words.placeOf(first)],
      buffers: [scores.tileOf(first), limits.tileOf(first), words.tileOf(first)],
      groups: [rows],
      work: rows * scores.cols,
    });
  }
  return mask;
}

/** See {@linkcode Backend.selectGroups}. */
export function selectGroups(device: Device, scores: TiledTensor, n: number, m: number): TiledMask {
  const mask = new TiledMask(device, scores.rows, scores.cols);
  const { words } = mask;
  for (const { first, rows } of runsOf([scores, words])) {
    device.dispatch({
      shader: "selectGroups",
      params: [rows, scores.cols, words.cols, scores.placeOf(first), words.placeOf(first), m, m - n],
      buffers: [scores.tileOf(first), words.tileOf(first)],
      groups: line(rows * words.cols, THREADS),
      work: rows * scores.cols * m,
    });
  }
  return mask;
}

/** Where the published bisection of Wanda's variant starts, how near the sparsity must come, and when it gives up. */
const BISECTION = { lo: 0, hi: 0.8, alpha: 0.4, near: 0.001, narrow: 0.001 } as const;

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
    for (const { first, rows } of runsOf([scores, totals, bounds, limits], WORKGROUPS)) {
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
        work: rows * cols * 31,
      });
    }
    device.dispatch({ shader: "cumulativeStep", params: [fewest, most], buffers: [search], groups: [1], work: 1 });
  }
  device.give(search);
  device.give(tree);
  return maskFrom(device, scores, limits);
}

function emptyMask(device: Device, rows: number, cols: number): TiledMask {
  const mask = new TiledMask(device, rows, cols);
  for (const tile of mask.words.tiles) device.clear(tile);
  return mask;
}

function transpose(device: Device, scores: TiledTensor): TiledTensor {
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

function transposeMask(device: Device, mask: TiledMask): TiledMask {
  const out = emptyMask(device, mask.cols, mask.rows);
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
