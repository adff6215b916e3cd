/**
 * One run on several machines, on paper: what each computes and what they give each other, block after block, by the same
 * counts of operations that a plan uses and the bytes that `src/stream/shards.ts` exchanges. Nothing overlaps: a block's
 * sums are all there before its linears are solved, and its results before its hidden states go on.
 */
import { BYTES, type Method } from "../../src/mod.ts";
import { tokenFlops } from "../../src/model/cost.ts";
import { inputGroups } from "../../src/model/layers.ts";
import type { ModelSpec } from "../../src/model/spec.ts";

/** Linears that share an input. */
interface Group {
  /** Bytes of a shard's sums over that input. */
  readonly sumBytes: number;
  /** Bytes of its pruned weights and of their masks. */
  readonly resultBytes: number;
  /** Operations of its solve. */
  readonly flops: number;
}

/** What a run has to do. */
export interface Work {
  readonly blocks: number;
  readonly tokens: number;
  readonly groups: readonly Group[];
  /** Operations of a token that is observed in a block. */
  readonly observeFlops: number;
  /** Operations of a token that goes through one. */
  readonly propagateFlops: number;
}

/** A machine and its way to where all meet. */
export interface Place {
  /** Operations a second. */
  readonly rate: number;
  /** Bytes a second, each way. The place itself is taken to serve all of them. */
  readonly link: number;
}

/** What it takes. */
export interface Simulated {
  /** Of the whole run. */
  readonly seconds: number;
  /** Of these, waiting for bytes. */
  readonly exchangeSeconds: number;
  /** What all machines write, and what they read. */
  readonly written: number;
  readonly read: number;
}

/** The work of a method on a model with so many sequences. @param width Bytes of a stored weight. */
export function workOf(spec: ModelSpec, method: Method, sequences: number, length: number, width: number): Work {
  const [block] = spec.blocks, groups = inputGroups(block), grams = method.statistic === "gram";
  return {
    blocks: spec.blocks.length,
    tokens: sequences * length,
    groups: groups.map((linears) => {
      const [{ cols }] = linears, weights = linears.reduce((sum, { rows }) => sum + rows * cols, 0);
      const solve = method.effort
        ? method.effort.begin(cols) +
          linears.reduce((sum, { rows }) => sum + method.effort!.prune(rows, cols) + 2 * rows * cols ** 2, 0)
        : 0;
      return {
        // The number of tokens; a row of pairs; and half of a matrix of pairs with its diagonal.
        sumBytes: 8 + 2 * BYTES.F32 * cols + (grams ? BYTES.F32 * cols * (cols + 1) : 0),
        resultBytes: weights * width + linears.reduce((sum, { rows }) => sum + Math.ceil(rows * cols / 8), 0),
        flops: solve,
      };
    }),
    observeFlops: tokenFlops(block, length, groups.at(-1)!) +
      (grams ? groups.reduce((sum, [{ cols }]) => sum + cols ** 2, 0) : 0),
    propagateFlops: tokenFlops(block, length),
  };
}

/** A run on so many machines, with a shard for each. */
export function simulate(work: Work, { rate, link }: Place, ranks: number): Simulated {
  const { groups, tokens, blocks } = work,
    sum = (of: (group: Group) => number) => groups.reduce((all, group) => all + of(group), 0);
  const solving = Array.from({ length: ranks }, (_, rank) => groups.filter((_, at) => at % ranks === rank));
  const slowest = (of: (own: readonly Group[]) => number) => Math.max(...solving.map(of));
  const compute = (tokens / ranks) * (work.observeFlops + work.propagateFlops) / rate +
    slowest((own) => own.reduce((all, { flops }) => all + flops, 0)) / rate;
  if (ranks === 1) {
    return { seconds: blocks * compute, exchangeSeconds: 0, written: 0, read: 0 };
  }
  const sums = sum(({ sumBytes }) => sumBytes), results = sum(({ resultBytes }) => resultBytes);
  const own = (of: (group: Group) => number) => (groups: readonly Group[]) =>
    groups.reduce((all, group) => all + of(group), 0);
  const gathered = slowest(own(({ sumBytes }) => ranks * sumBytes)),
    given = slowest(own(({ resultBytes }) => resultBytes));
  const taken = results - Math.min(...solving.map(own(({ resultBytes }) => resultBytes)));
  const exchange = (sums + gathered + given + taken) / link;
  return {
    seconds: blocks * (compute + exchange),
    exchangeSeconds: blocks * exchange,
    written: blocks * (ranks * sums + results),
    read: blocks * (ranks * sums + (ranks - 1) * results),
  };
}
