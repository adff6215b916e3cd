/**
 * A model whose weights stay on the backend, in the dtypes of the checkpoint, or packed: what a text is written with, where every token
 * needs all of them again. It remembers nothing of what it reads; `context.ts` does.
 */
import { type Backend, BYTES, type PackedWeight, patternName, type Tensor, type Weight } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { QuantizedValues } from "../checkpoint/packed/pack.ts";
import { Block } from "../model/block.ts";
import { blockTensors, expertsOf, expertTensors, modelTensors, type TensorSpec } from "../model/layers.ts";
import { readSpec } from "../model/read.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { WalkBatch } from "../model/walk.ts";
import { type Embedder, type HeadInput, openEmbedder, openHeadInput } from "../stream/ends.ts";
import { headLogits } from "../stream/logits.ts";
import { forwardBlock } from "../stream/stream.ts";
import { ResidentWeights } from "./weights.ts";

/** Where a model comes from and where it is computed. */
export interface ResidentOptions {
  /** The model; embeddings that are not the head's as well are read from it while text is written. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** How weights of linears and of the head are rounded as they are loaded; not at all if it is not said. */
  readonly quantize?: QuantizedValues;
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
    /** The weights that are packed, by kind: `I8 2:4`. */
    readonly packed: ReadonlyMap<string, PackedKind>,
    private readonly blocks: readonly Block[],
    private readonly embedder: Embedder,
    private readonly headInput: HeadInput,
    private readonly head: Weight,
    private readonly held: Disposable,
  ) {}

  /**
   * Loads a model.
   * @throws PareError if the checkpoint is not the model that its config says, or there is no room for it.
   */
  static async open({ checkpoint, backend, quantize, onLoad, signal }: ResidentOptions): Promise<ResidentModel> {
    const spec = readSpec(checkpoint), { tied } = spec.head;
    using loading = new DisposableStack();
    const weights = new ResidentWeights(checkpoint, spec, quantize), source = { ...checkpoint, packedSource: weights };
    const packed = new Map<string, PackedWeight>();
    const blocks: Block[] = [], bytesOf = bytesIn(checkpoint), all = bytesOf(modelTensors(spec));
    let loaded = 0;
    for (const own of spec.blocks) {
      signal?.throwIfAborted();
      const block = loading.use(await Block.upload(backend, source, Block.read(source, own)));
      blocks.push(block);
      const experts = expertsOf(own);
      for (const index of experts?.experts.keys() ?? []) loading.use(await block.loadExpert(experts!, index));
      for (const [name, weight] of block.packedWeights) packed.set(name, weight);
      onLoad?.(loaded += bytesOf(blockTensors(own)), all);
    }
    const head = loading.use(await uploadHead(backend, checkpoint, spec, weights));
    if (!("dtype" in head)) packed.set(spec.head.tensor, head);
    // Rows are looked up in a dense matrix: of a packed head they are read from the checkpoint.
    const table = tied && "dtype" in head ? head : undefined;
    const embedder = loading.use(await openEmbedder(backend, checkpoint, spec, table));
    const headInput = loading.use(await openHeadInput(backend, checkpoint, spec));
    onLoad?.(all, all);
    const held = loading.move(); // they are the model's
    const sizeOf = bytesIn(checkpoint, packed);
    return new ResidentModel(
      backend,
      spec,
      bytesRead(spec, sizeOf),
      kindsOf(packed, checkpoint),
      blocks,
      embedder,
      headInput,
      head,
      held,
    );
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
async function uploadHead(
  backend: Backend,
  checkpoint: Checkpoint,
  { head, vocabulary }: ModelSpec,
  weights: ResidentWeights,
): Promise<Weight> {
  const { tensor, width } = head, spec = { name: tensor, shape: [vocabulary, width] };
  if (weights.has(spec)) return backend.uploadPacked(await weights.read(spec));
  const bytes = await checkpoint.readRows(tensor, 0, vocabulary);
  return backend.upload(bytes, vocabulary, width, checkpoint.tensors.get(tensor)!.dtype);
}

/** Packed weights of one kind. */
export interface PackedKind {
  /** How many. */
  readonly weights: number;
  /** Bytes that they take on the backend. */
  readonly bytes: number;
  /** Bytes that they would take dense, in 16 bits a number (or 32, where the checkpoint has them). */
  readonly denseBytes: number;
}

function kindsOf(packed: ReadonlyMap<string, PackedWeight>, { tensors }: Pick<Checkpoint, "tensors">) {
  const kinds = new Map<string, PackedKind>();
  for (const [name, { rows, cols, valueType, pattern, bytes }] of packed) {
    const kind = `${valueType} ${patternName(pattern)}`, { dtype } = tensors.get(name)!;
    const before = kinds.get(kind) ?? { weights: 0, bytes: 0, denseBytes: 0 };
    const width = valueType === "F32" || valueType === dtype ? BYTES[dtype] : BYTES.F16;
    kinds.set(kind, {
      weights: before.weights + 1,
      bytes: before.bytes + bytes,
      denseBytes: before.denseBytes + rows * cols * width,
    });
  }
  return kinds;
}

/** Bytes of tensors in a checkpoint, or of those that are packed on the backend. */
function bytesIn(
  { tensors }: Pick<Checkpoint, "tensors">,
  packed?: ReadonlyMap<string, PackedWeight>,
): (specs: readonly TensorSpec[]) => number {
  return (specs) => specs.reduce((sum, { name }) => sum + (packed?.get(name) ?? tensors.get(name)!).bytes, 0);
}

/** See {@linkcode ResidentModel.bytesPerToken}. */
function bytesRead(spec: ModelSpec, bytesOf: (specs: readonly TensorSpec[]) => number): number {
  const { embedding, head } = spec;
  const rowsOnly = new Set([embedding.positions?.tensor, head.tied ? undefined : embedding.tensor]);
  // Of experts those that are chosen, of what is looked up nothing to speak of.
  const spared = spec.blocks.reduce((sum, block) => {
    const experts = expertsOf(block);
    if (!experts) return sum;
    return sum + bytesOf(experts.experts.flatMap(expertTensors)) * (1 - experts.chosen / experts.experts.length);
  }, 0);
  return bytesOf(modelTensors(spec).filter(({ name }) => !rowsOnly.has(name))) - spared;
}
