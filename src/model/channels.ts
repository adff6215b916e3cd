/**
 * Where the inputs of a linear may stand in another order at no cost: the linears before it, of the same block, give them one
 * by one, so their rows can be stored in that order. What an MLP's `down` sees is made number by number of what `gate` and `up`
 * give: any order. What an attention's output sees is made head by head of what `v` gives: any order within a head, the same
 * for all query heads that share a key head. All other inputs come from the residual stream, which has one order for the whole
 * model.
 */
import { attentionInputs, expertsOf, mlpInputs, walkLayers } from "./layers.ts";
import type { Attention, BlockSpec, Layer, Linear, Mlp } from "./spec.ts";

/** See the file's head. An order says which of the present ones comes to each place. */
export interface Channels {
  /** The linear whose inputs they are. */
  readonly to: Linear;
  /** The linears whose rows carry them. */
  readonly from: readonly Linear[];
  /** Runs of inputs that are ordered each on its own. */
  readonly runs: readonly ChannelRun[];
  /** The order of a carrier's rows, for an order of each run. */
  rows(linear: Linear, orders: readonly ArrayLike<number>[]): Uint32Array;
}

/** Inputs that are ordered together: so many places, each of them one column in every part. */
export interface ChannelRun {
  readonly width: number;
  /** The first columns of its parts. */
  readonly parts: readonly number[];
}

/** The order of all of a linear's inputs. */
export function columnsOf({ to, runs }: Channels, orders: readonly ArrayLike<number>[]): Uint32Array {
  const all = Uint32Array.from({ length: to.cols }, (_, j) => j);
  runs.forEach(({ width, parts }, run) => {
    for (const first of parts) for (let j = 0; j < width; j++) all[first + j] = first + orders[run][j];
  });
  return all;
}

/** The channels of a block, but for those of experts. */
export function channelsOf(block: BlockSpec): Channels[] {
  const experts = new Set<Layer>(expertsOf(block)?.experts);
  return [...walkLayers(block.layers)].filter((layer) => !experts.has(layer)).flatMap((layer) => {
    if (layer.kind === "attention") return [attentionChannels(layer)];
    return layer.kind === "mlp" ? [mlpChannels(layer)] : [];
  });
}

/** Rows of a linear in an order, of which some runs have orders of their own: each begins at a row. */
function rowsInRuns(
  rows: number,
  runs: readonly { readonly first: number; readonly order: ArrayLike<number> }[],
): Uint32Array {
  const all = Uint32Array.from({ length: rows }, (_, row) => row);
  for (const { first, order } of runs) for (let j = 0; j < order.length; j++) all[first + j] = first + order[j];
  return all;
}

function mlpChannels(mlp: Mlp): Channels {
  const { down, input } = mlp, width = down.cols;
  const firsts = input.kind === "fused" ? [0, width] : [0];
  return {
    to: down,
    from: mlpInputs(mlp),
    runs: [{ width, parts: [0] }],
    rows: (linear, [order]) => rowsInRuns(linear.rows, firsts.map((first) => ({ first, order }))),
  };
}

function attentionChannels(layer: Attention): Channels {
  const { heads, kvHeads, headDim, projections, output } = layer, shared = heads / kvHeads;
  /** The row of its carrier that a key head's values begin with. */
  const firstRow = (head: number): number => {
    if (projections.kind === "separate") return head * headDim;
    return projections.byHead ? (3 * head + 2) * headDim : (heads + kvHeads + head) * headDim;
  };
  return {
    to: output,
    from: projections.kind === "separate" ? [projections.v] : attentionInputs(layer),
    runs: Array.from({ length: kvHeads }, (_, head) => ({
      width: headDim,
      parts: Array.from({ length: shared }, (_, i) => (head * shared + i) * headDim),
    })),
    rows: (linear, orders) => rowsInRuns(linear.rows, orders.map((order, head) => ({ first: firstRow(head), order }))),
  };
}
