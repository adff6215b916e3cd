/** A dense pass through all blocks of a model, one block's weights at a time; what perplexity and logits share. */
import { toldElsewhere } from "../errors.ts";
import type { TensorSource } from "../model/block.ts";
import { linearsOf } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Batch } from "../text/batch.ts";
import { type BlockSchedule, runSchedule } from "./schedule.ts";
import { Stream, type StreamOptions } from "./stream.ts";
import { countZeros } from "./zeros.ts";

/** Hidden states after the last block, before the last norm. */
export interface Forwarded extends AsyncDisposable {
  /** The model's specification. */
  readonly spec: ModelSpec;
  /** The sequences and their hidden states. */
  readonly stream: Stream;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/**
 * Runs sequences through every block of a model.
 * @param sets Those of each go through in batches of their own, one set after the other.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export async function forward(sets: readonly Batch[], options: StreamOptions): Promise<Forwarded> {
  const { checkpoint, backend, signal } = options, spec = readSpec(checkpoint);
  await using opened = new AsyncDisposableStack();
  const stream = opened.use(await Stream.open(options, spec, sets, spec.blocks.length));
  const linears = spec.blocks.flatMap(linearsOf), weights = new Set(linears.map(({ name }) => `${name}.weight`));
  const zeros = new Map<string, Promise<number>>();
  const source: TensorSource = {
    tensors: checkpoint.tensors,
    read: (names) => checkpoint.read(names),
    onUpload(name, tensor) {
      if (weights.has(name) && !zeros.has(name)) zeros.set(name, toldElsewhere(countZeros(backend, tensor)));
    },
  };
  const schedule: BlockSchedule[] = spec.blocks.map(({ index }) => ({
    block: index,
    steps: [{ passes: 1, run: (block) => stream.propagate(block, "forward") }],
  }));
  await runSchedule(schedule, { backend, spec, source, signal });
  const all = linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const counts = await Promise.all(zeros.values());
  opened.move(); // it is the caller's
  return {
    spec,
    stream,
    sparsity: counts.reduce((a, b) => a + b, 0) / all,
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}
