/**
 * A pass over a model is a schedule: for each of some blocks the steps to take while its weights are on the backend. One loop
 * runs every schedule, and begins to read the next block while this one computes. What a pass is (pruning, perplexity, counting
 * outliers, observing for several methods) is said by its steps.
 */
import type { Backend } from "../backend/backend.ts";
import { Block, type TensorSource } from "../model/block.ts";
import type { ModelSpec } from "../model/spec.ts";

/** What is done with a block whose weights are on the backend. */
export interface Step {
  /** How often all tokens go through the block in it. */
  readonly passes: number;
  run(block: Block): void | Promise<void>;
}

/** A block and its steps, in order. */
export interface BlockSchedule {
  readonly block: number;
  readonly steps: readonly Step[];
  /** Where its weights are, if not where the others' are. */
  readonly source?: TensorSource;
}

/** How often all tokens go through a block in a schedule. */
export function countPasses(schedule: readonly BlockSchedule[]): number {
  return schedule.reduce((sum, { steps }) => sum + steps.reduce((sum, { passes }) => sum + passes, 0), 0);
}

/** Where a schedule runs. */
export interface ScheduleContext {
  readonly backend: Backend;
  readonly spec: ModelSpec;
  /** Where the blocks' weights are. */
  readonly source: TensorSource;
  /** Stops it between two blocks. */
  readonly signal?: AbortSignal;
  /** Asked between two blocks: whether what was done will do. */
  readonly enough?: () => boolean;
}

/** Runs a schedule, block after block. */
export async function runSchedule(schedule: readonly BlockSchedule[], context: ScheduleContext): Promise<void> {
  const { backend, spec, source, signal, enough } = context;
  const sourceOf = (at: number) => schedule[at].source ?? source;
  const read = (at: number) => Block.read(sourceOf(at), spec.blocks[schedule[at].block]);
  let next = schedule.length ? read(0) : undefined;
  for (const [at, { steps }] of schedule.entries()) {
    signal?.throwIfAborted();
    if (enough?.()) {
      await next!.first; // what is being read comes to its end
      break;
    }
    using block = await Block.upload(backend, sourceOf(at), next!);
    if (at + 1 < schedule.length) next = read(at + 1);
    for (const { run } of steps) await run(block);
  }
}
