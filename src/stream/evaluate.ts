/**
 * Perplexity, streamed like pruning: all windows through one block, then the next, then through the head slice by
 * slice. Wanda's protocol: windows of exactly T tokens, no overlap, each alone from position 0;
 * `perplexity = exp(mean over windows of the mean of its T - 1 losses)`, the means in f64.
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import { Block, forwardBlock, uploadAngles } from "../model/block.ts";
import { parseConfig } from "../model/config.ts";
import { checkTensors } from "../model/tensors.ts";
import { batches, Pace, type Sequences } from "./batches.ts";
import { embed, finalNorm, headSlices } from "./ends.ts";
import { openHiddenStates, type SpoolOptions } from "./hidden.ts";
import { Meter, type OnProgress } from "./progress.ts";
import { checkTokens } from "./tokens.ts";

/** What {@linkcode evaluate} takes. */
export interface EvaluateOptions {
  /** The model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** The windows: each a sequence of two tokens or more. */
  readonly windows: Sequences;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Told of every batch that is done. */
  readonly onProgress?: OnProgress;
  /** Stops the evaluation between two batches. */
  readonly signal?: AbortSignal;
}

/** What {@linkcode evaluate} found. */
export interface Evaluation {
  /** exp of the mean loss. */
  readonly perplexity: number;
  /** Mean loss of every window, nats per token. */
  readonly losses: readonly number[];
}

/** A state of {@linkcode Backend.crossEntropy} as the mean loss of each window. */
function windowLosses(state: Float32Array, length: number): number[] {
  return Array.from({ length: state.length / 3 / length }, (_, window) => {
    let sum = 0;
    for (let t = 0; t < length - 1; t++) {
      const at = (window * length + t) * 3;
      sum += state[at] + Math.log(state[at + 1]) - state[at + 2];
    }
    return sum / (length - 1);
  });
}

/** The token that each position predicts; the last of a window predicts nothing and gets token 0, which is not counted. */
function targets({ ids, length }: Sequences): Uint32Array {
  return ids.map((_, t) => (t + 1) % length ? ids[t + 1] : 0);
}

/**
 * Computes the perplexity of a model on windows of tokens.
 * @throws PareError if the checkpoint is not the model that its config says, or a token id is outside its vocabulary.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { checkpoint, backend, windows, signal } = options;
  const shape = parseConfig(checkpoint.config, checkpoint.path);
  checkTensors(shape, checkpoint);
  checkTokens(shape, windows);
  if (windows.length < 2) {
    throw new PareError(`a window of ${windows.length} token predicts nothing: expected 2 or more`);
  }
  const parts = batches(windows), { blocks } = shape;
  const meter = new Meter(blocks, windows.ids.length, options.onProgress);
  await using hidden = await openHiddenStates(backend, windows.ids.length * shape.hidden * 4, options.spool);
  using angles = uploadAngles(backend, shape, windows.length);
  const pace = new Pace(() => backend.read(), signal);
  for (const [i, part] of parts.entries()) await hidden.store(i, await embed(backend, checkpoint, shape, part));

  let next = Block.read(checkpoint, shape, 0);
  for (let index = 0; index < blocks; index++) {
    using block = Block.upload(backend, checkpoint, shape, index, await next);
    if (index + 1 < blocks) {
      next = Block.read(checkpoint, shape, index + 1);
      next.catch(() => {});
    }
    for (const [i, part] of parts.entries()) {
      using lent = await hidden.load(i);
      await hidden.store(i, forwardBlock(backend, block, lent.tensor, angles));
      await pace.step();
      meter.step("forward", index, part.ids.length);
    }
  }

  const norm = await finalNorm(backend, checkpoint, shape);
  const states: Tensor[] = [];
  try {
    for await (const { weight, firstRow } of headSlices(backend, checkpoint, shape)) {
      for (const [i, part] of parts.entries()) {
        using lent = await hidden.load(i);
        using normed = norm(lent.tensor);
        states[i] ??= backend.allocate(part.ids.length, 3);
        backend.crossEntropy(states[i], normed, weight, firstRow, targets(part), firstRow === 0);
        await pace.step();
      }
    }
    const losses = (await backend.read(...states)).flatMap((bytes) =>
      windowLosses(new Float32Array(bytes.buffer), windows.length)
    );
    return { perplexity: Math.exp(losses.reduce((a, b) => a + b) / losses.length), losses };
  } finally {
    for (const state of states) state[Symbol.dispose]();
  }
}
