/**
 * Perplexity, streamed like pruning: all windows through one block, then the next, then through the head slice by
 * slice. Wanda's protocol: windows of exactly T tokens, no overlap, each alone from position 0;
 * `perplexity = exp(mean over windows of the mean of its T - 1 losses)`, the means in f64.
 */
import { PareError } from "../errors.ts";
import type { Sequences } from "./batches.ts";
import { finalNorm, headSlices } from "./ends.ts";
import { forward, type ForwardOptions } from "./forward.ts";

/** What {@linkcode evaluate} found. */
export interface Evaluation {
  /** exp of the mean loss. */
  readonly perplexity: number;
  /** Mean loss of every window, nats per token. */
  readonly losses: readonly number[];
  /** The share of zeros among the weights of all linears of all blocks. */
  readonly sparsity: number;
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
 * @param windows Each a sequence of two tokens or more.
 * @throws PareError if the checkpoint is not the model that its config says, a token id is outside its vocabulary, or
 * activations overflow.
 */
export async function evaluate(windows: Sequences, options: ForwardOptions): Promise<Evaluation> {
  const { checkpoint, backend } = options;
  if (windows.length < 2) {
    throw new PareError(`a window of ${windows.length} token predicts nothing: expected 2 or more`);
  }
  await using end = await forward(windows, options);
  const norm = await finalNorm(backend, checkpoint, end.shape);
  for (const i of end.parts.keys()) {
    using lent = await end.hidden.load(i);
    await end.hidden.store(i, norm(lent.tensor));
  }
  using held = new DisposableStack();
  const states = end.parts.map((part) => held.use(backend.allocate(part.ids.length, 3)));
  for await (const { weight, firstRow } of headSlices(backend, checkpoint, end.shape)) {
    for (const [i, part] of end.parts.entries()) {
      using lent = await end.hidden.load(i);
      backend.crossEntropy(states[i], lent.tensor, weight, firstRow, targets(part), { start: firstRow === 0 });
      await end.pace.step();
    }
  }
  const losses = (await backend.read(...states)).flatMap((bytes) =>
    windowLosses(new Float32Array(bytes.buffer), windows.length)
  );
  const lost = losses.findIndex((loss) => !Number.isFinite(loss));
  if (lost >= 0) {
    throw new PareError(`the model's activations overflow: the loss of window ${lost} is ${losses[lost]}`);
  }
  return { perplexity: Math.exp(losses.reduce((a, b) => a + b) / losses.length), losses, sparsity: end.sparsity };
}
