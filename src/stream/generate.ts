/**
 * Text from a model, for a look at what pruning did to it. The blocks stay on the backend and every token runs the whole
 * context again, at one fixed length: causal attention does not see the unused end. Simple, and quick enough for a
 * paragraph by a small model; it is not an inference engine.
 */
import type { Tensor } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { Block, forwardBlock, uploadAngles } from "../model/block.ts";
import { headName, readShape } from "../model/tensors.ts";
import { Random } from "../text/random.ts";
import { embed, finalNorm } from "./ends.ts";
import type { ForwardOptions } from "./forward.ts";
import { checkTokens } from "./tokens.ts";

/** How {@linkcode generate} chooses tokens. */
export interface Sampling {
  /** How many tokens to add. */
  readonly tokens: number;
  /** Logits are divided by it; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** Only this many of the likeliest tokens are drawn from. */
  readonly topK: number;
  /** Seed of the generator. */
  readonly seed: number;
}

function draw(logits: Float32Array, { temperature, topK }: Sampling, random: Random): number {
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);
  if (temperature === 0) return order[0];
  const weights = order.slice(0, topK).map((id) => Math.exp((logits[id] - logits[order[0]]) / temperature));
  let rest = random.getrandbits(32) / 2 ** 32 * weights.reduce((a, b) => a + b);
  const chosen = weights.findIndex((weight) => (rest -= weight) < 0);
  return order[Math.max(0, chosen)];
}

/**
 * Continues a prompt.
 * @returns The prompt's ids and the new ones.
 * @throws PareError if prompt and new tokens together are longer than the model's limit.
 */
export async function generate(prompt: Uint32Array, sampling: Sampling, options: ForwardOptions): Promise<Uint32Array> {
  const { checkpoint, backend, signal } = options, shape = readShape(checkpoint);
  if (!prompt.length) throw new PareError("the prompt is empty: expected at least one token");
  const ids = new Uint32Array(prompt.length + sampling.tokens), context = { ids, sequences: 1, length: ids.length };
  ids.set(prompt);
  checkTokens(shape, context);

  using stack = new DisposableStack();
  const angles = stack.use(uploadAngles(backend, shape, ids.length, 1));
  const blocks: Block[] = [];
  for (let index = 0; index < shape.blocks; index++) {
    const bytes = await Block.read(checkpoint, shape, index);
    blocks.push(stack.use(Block.upload(backend, checkpoint, shape, index, bytes)));
  }
  const norm = await finalNorm(backend, checkpoint, shape), name = headName(shape);
  const headBytes = await checkpoint.readRows(name, 0, shape.vocabulary);
  const head = stack.use(
    backend.upload(headBytes, shape.vocabulary, shape.hidden, checkpoint.tensors.get(name)!.dtype),
  );

  const random = new Random(sampling.seed);
  for (let filled = prompt.length; filled < ids.length; filled++) {
    signal?.throwIfAborted();
    let hidden: Tensor = await embed(backend, checkpoint, shape, context);
    for (const block of blocks) {
      using before = hidden;
      hidden = forwardBlock(backend, block, before, angles);
    }
    using end = hidden;
    using normed = norm(end);
    const [states] = await backend.read(normed);
    const rowBytes = shape.hidden * Float32Array.BYTES_PER_ELEMENT;
    using last = backend.upload(states.subarray((filled - 1) * rowBytes, filled * rowBytes), 1, shape.hidden, "F32");
    using scores = backend.linear(last, head);
    ids[filled] = draw(new Float32Array((await backend.read(scores))[0].buffer), sampling, random);
  }
  return ids;
}
