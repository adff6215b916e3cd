/**
 * The selections of the WebGPU backend. Each finds limits first (for every row: the value below which all scores go,
 * and how many equal to it go too), and then writes the mask from them. Nothing is sorted, nothing is read back.
 */
import type { Selection } from "../backend.ts";
import { type Device, line, rowsWithin, THREADS, WORKGROUPS } from "./device.ts";
import { runsOf, TiledMask, TiledTensor, zeroMask } from "./tensor.ts";
import { transpose, transposeMask } from "./transpose.ts";

/** The digits of a score (digits.wgsl), from the top: each one's 1. */
const UNITS = Array.from({ length: 8 }, (_, i) => 2 ** (28 - 4 * i));

/** Scores that one workgroup of select_count.wgsl counts, about. */
const BLOCK_SCORES = 2 ** 14;

/** Rows that one thread of select_share.wgsl goes over: Mesa's llvmpipe ends any loop after 65535 rounds. */
const SHARED_ROWS = 2 ** 15;

/** 32-bit words of a group's state (select_count.wgsl). */
const GROUP_WORDS = 19;

/** Two words for each row: the value below which its scores go, and how many equal to it go too. */
export function limitsFor(device: Device, rows: number): TiledTensor {
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
  if (sparsity === 0) return zeroMask(device, scores.rows, scores.cols);
  using limits = limitsFor(device, scores.rows);
  const allTies = rule === "threshold" ? 1 : 0;
  if (group === 1) {
    const remove = Math.floor(scores.cols * sparsity);
    for (const { first, rows } of runsOf([scores, limits], rowsWithin(scores.cols * UNITS.length))) {
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
    for (const run of runsOf([limits], SHARED_ROWS, firstRow, endRow)) {
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
export function maskFrom(device: Device, scores: TiledTensor, limits: TiledTensor): TiledMask {
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
  for (const { first, rows } of runsOf([scores, words], rowsWithin(scores.cols * m))) {
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
