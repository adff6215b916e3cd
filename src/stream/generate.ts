/**
 * Text from a model, for a look at what pruning did to it. The blocks stay on the backend and every token runs the whole
 * context again, at one fixed length: causal attention does not see the unused end. Simple, and quick enough for a
 * paragraph by a small model; it is not an inference engine.
 */
import type { Tensor } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { Block } from "../model/block.ts";
import { readSpec } from "../model/read.ts";
import { rectangle } from "../text/batch.ts";
import { Random } from "../text/random.ts";
import { embed, openHeadInput } from "./ends.ts";
import { headLogits } from "./logits.ts";
import { RotaryTables } from "./rotary.ts";
import { forwardBlock, type StreamOptions } from "./stream.ts";
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
export async function generate(prompt: Uint32Array, sampling: Sampling, options: StreamOptions): Promise<Uint32Array> {
  const { checkpoint, backend, signal } = options, spec = readSpec(checkpoint);
  if (!prompt.length) throw new PareError("the prompt is empty: expected at least one token");
  const ids = new Uint32Array(prompt.length + sampling.tokens), context = rectangle(ids, ids.length);
  ids.set(prompt);
  checkTokens(spec, context);

  using stack = new DisposableStack();
  const tables = stack.use(new RotaryTables(backend));
  const blocks: Block[] = [];
  for (const block of spec.blocks) {
    blocks.push(stack.use(Block.upload(backend, checkpoint, block, await Block.read(checkpoint, block))));
  }
  const input = stack.use(await openHeadInput(backend, checkpoint, spec)), { tensor, width, softCap } = spec.head;
  const bytes = await checkpoint.readRows(tensor, 0, spec.vocabulary);
  const head = stack.use(backend.upload(bytes, spec.vocabulary, width, checkpoint.tensors.get(tensor)!.dtype));

  const random = new Random(sampling.seed);
  for (let filled = prompt.length; filled < ids.length; filled++) {
    signal?.throwIfAborted();
    let hidden: Tensor = await embed(backend, checkpoint, spec, context);
    for (const block of blocks) {
      using before = hidden;
      hidden = await forwardBlock(block, tables.batch(context.offsets), before);
    }
    using end = hidden;
    using x = input.apply(end);
    const [states] = await backend.read(x);
    const rowBytes = width * Float32Array.BYTES_PER_ELEMENT;
    using last = backend.upload(states.subarray((filled - 1) * rowBytes, filled * rowBytes), 1, width, "F32");
    using scores = headLogits(backend, last, head, softCap);
    ids[filled] = draw(new Float32Array((await backend.read(scores))[0].buffer), sampling, random);
  }
  return ids;
}
