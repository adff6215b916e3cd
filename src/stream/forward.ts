/** A dense pass through all blocks of a model, one block's weights at a time; what perplexity and logits share. */
import type { Backend } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { Block, forwardBlock, uploadAngles } from "../model/block.ts";
import type { Shape } from "../model/config.ts";
import { linearName, LINEARS, readShape } from "../model/tensors.ts";
import { batches, Pace, type Sequences } from "./batches.ts";
import { embed } from "./ends.ts";
import { type HiddenStates, openHiddenStates, type SpoolOptions } from "./hidden.ts";
import { Meter, type OnProgress } from "./progress.ts";
import { checkTokens } from "./tokens.ts";
import { countZeros } from "./zeros.ts";

/** What every pass through a dense model takes. */
export interface ForwardOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Stops the pass between two batches, or two generated tokens. */
  readonly signal?: AbortSignal;
}

/** Hidden states after the last block, before the last norm. */
export interface Forwarded extends AsyncDisposable {
  /** The model's shape. */
  readonly shape: Shape;
  /** The sequences, batch by batch. */
  readonly parts: readonly Sequences[];
  /** The states of each batch. */
  readonly hidden: HiddenStates;
  /** Bounds the queue of what follows. */
  readonly pace: Pace;
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
}

/**
 * Runs sequences through every block of a model.
 * @throws PareError if the checkpoint is not the model that its config says, or the tokens do not suit it.
 */
export async function forward(sequences: Sequences, options: ForwardOptions): Promise<Forwarded> {
  const { checkpoint, backend, signal } = options;
  const shape = readShape(checkpoint);
  checkTokens(shape, sequences);
  const parts = batches(sequences), pace = new Pace(() => backend.read(), signal);
  const meter = new Meter(shape.blocks, sequences.ids.length, options.onProgress);
  await using stack = new AsyncDisposableStack();
  const hidden = stack.use(await openHiddenStates(backend, sequences.ids.length * shape.hidden * 4, options.spool));
  using angles = uploadAngles(backend, shape, sequences.length, parts[0].sequences);
  for (const [i, part] of parts.entries()) await hidden.store(i, await embed(backend, checkpoint, shape, part));
  let zeros = 0, weights = 0;
  let next = Block.read(checkpoint, shape, 0);
  for (let index = 0; index < shape.blocks; index++) {
    const bytes = await next;
    using block = Block.upload(backend, checkpoint, shape, index, bytes);
    if (index + 1 < shape.blocks) {
      next = Block.read(checkpoint, shape, index + 1);
      next.catch(() => {});
    }
    for (const [i, part] of parts.entries()) {
      using lent = await hidden.load(i);
      await hidden.store(i, forwardBlock(backend, block, lent.tensor, angles));
      await pace.step();
      meter.step("forward", index, part.ids.length);
    }
    for (const linear of LINEARS) {
      const { rows, cols, dtype } = block.get(`${linear}.weight`);
      zeros += countZeros(bytes.get(`${linearName(index, linear)}.weight`)!, dtype);
      weights += rows * cols;
    }
  }
  const kept = stack.move();
  return { shape, parts, hidden, pace, sparsity: zeros / weights, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
