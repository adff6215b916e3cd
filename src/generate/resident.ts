/**
 * A model whose weights stay on the backend, in the dtypes of the checkpoint: what a text is written with, where every token
 * needs all of them again. It remembers nothing of what it reads; `context.ts` does.
 */
import type { Backend, Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { Block } from "../model/block.ts";
import { blockTensors, expertsOf, expertTensors, modelTensors, type TensorSpec } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { WalkBatch } from "../model/walk.ts";
import { type Embedder, type HeadInput, openEmbedder, openHeadInput } from "../stream/ends.ts";
import { headLogits } from "../stream/logits.ts";
import { forwardBlock } from "../stream/stream.ts";

/** Where a model comes from and where it is computed. */
export interface ResidentOptions {
  /** The model; embeddings that are not the head's as well are read from it while text is written. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** Told of bytes of weights that are loaded, now and in all. */
  readonly onLoad?: (bytes: number, of: number) => void;
  /** Stops the loading between two blocks. */
  readonly signal?: AbortSignal;
}

/** See the file's head. */
export class ResidentModel implements Disposable {
  private constructor(
    /** Where it is computed. */
    readonly backend: Backend,
    /** What it is. */
    readonly spec: ModelSpec,
    /** Bytes of weights that one token reads: all but the experts that are not chosen and the tables that rows are looked up in. */
    readonly bytesPerToken: number,
    private readonly blocks: readonly Block[],
    private readonly embedder: Embedder,
    private readonly headInput: HeadInput,
    private readonly head: Tensor,
    private readonly held: Disposable,
  ) {}

  /**
   * Loads a model.
   * @throws PareError if the checkpoint is not the model that its config says, or there is no room for it.
   */
  static async open({ checkpoint, backend, onLoad, signal }: ResidentOptions): Promise<ResidentModel> {
    const spec = readSpec(checkpoint), { tied } = spec.head;
    using loading = new DisposableStack();
    const blocks: Block[] = [], bytesOf = bytesIn(checkpoint), all = bytesOf(modelTensors(spec));
    let loaded = 0;
    for (const own of spec.blocks) {
      signal?.throwIfAborted();
      const block = loading.use(await Block.upload(backend, checkpoint, Block.read(checkpoint, own)));
      blocks.push(block);
      const experts = expertsOf(own);
      for (const index of experts?.experts.keys() ?? []) loading.use(await block.loadExpert(experts!, index));
      onLoad?.(loaded += bytesOf(blockTensors(own)), all);
    }
    const head = loading.use(await uploadHead(backend, checkpoint, spec));
    const embedder = loading.use(await openEmbedder(backend, checkpoint, spec, tied ? head : undefined));
    const headInput = loading.use(await openHeadInput(backend, checkpoint, spec));
    onLoad?.(all, all);
    const held = loading.move(); // they are the model's
    return new ResidentModel(backend, spec, bytesRead(spec, checkpoint), blocks, embedder, headInput, head, held);
  }

  /**
   * Takes tokens through all blocks.
   * @param positions Of each token, in its sequence.
   * @returns The hidden states behind the last block, F32 tokens x hidden.
   */
  async forward(batch: WalkBatch, ids: Uint32Array, positions: Uint32Array): Promise<Tensor> {
    let hidden = await this.embedder.apply(ids, positions);
    for (const block of this.blocks) {
      using before = hidden;
      hidden = await forwardBlock(block, batch, before);
    }
    return hidden;
  }

  /** Logits of some hidden states, F32 tokens x vocabulary. */
  logits(hidden: Tensor): Tensor {
    using x = this.headInput.apply(hidden);
    return headLogits(this.backend, x, this.head, this.spec.head.softCap);
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.held[Symbol.dispose]();
  }
}

/** The head's weight, whose bytes nobody holds after it. */
async function uploadHead(backend: Backend, checkpoint: Checkpoint, { head, vocabulary }: ModelSpec): Promise<Tensor> {
  const { tensor, width } = head, bytes = await checkpoint.readRows(tensor, 0, vocabulary);
  return backend.upload(bytes, vocabulary, width, checkpoint.tensors.get(tensor)!.dtype);
}

/** Bytes of tensors in a checkpoint. */
function bytesIn({ tensors }: Pick<Checkpoint, "tensors">): (specs: readonly TensorSpec[]) => number {
  return (specs) => specs.reduce((sum, { name }) => sum + tensors.get(name)!.bytes, 0);
}

/** See {@linkcode ResidentModel.bytesPerToken}. */
function bytesRead(spec: ModelSpec, checkpoint: Pick<Checkpoint, "tensors">): number {
  const bytesOf = bytesIn(checkpoint), { embedding, head } = spec;
  const rowsOnly = new Set([embedding.positions?.tensor, head.tied ? undefined : embedding.tensor]);
  // Of experts those that are chosen, of what is looked up nothing to speak of.
  const spared = spec.blocks.reduce((sum, block) => {
    const experts = expertsOf(block);
    if (!experts) return sum;
    return sum + bytesOf(experts.experts.flatMap(expertTensors)) * (1 - experts.chosen / experts.experts.length);
  }, 0);
  return bytesOf(modelTensors(spec).filter(({ name }) => !rowsOnly.has(name))) - spared;
}
