/**
 * The two ends of the network around its blocks: token ids to hidden states, and hidden states to losses or logits.
 * The embedding and the head are the largest matrices of a small model; neither is ever whole in memory.
 */
import { type Backend, BYTES, type Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { release } from "../checkpoint/release.ts";
import type { Linear, ModelSpec, Norm } from "../model/spec.ts";
import { PlainOperations, type WalkOperations } from "../model/walk.ts";
import type { Integers } from "../text/growing.ts";

/** Rows of an embedding that are not asked for are read along where they are fewer bytes than this: less than a read costs. */
const NEAR_BYTES = 64 << 10;

/**
 * Rows of a matrix in the checkpoint, gathered.
 * @returns F32 ids.length x cols.
 */
async function gather(
  backend: Backend,
  checkpoint: Checkpoint,
  name: string,
  cols: number,
  ids: Uint32Array,
): Promise<Tensor> {
  const { dtype } = checkpoint.tensors.get(name)!, rowBytes = cols * BYTES[dtype];
  const distinct = [...new Set(ids)].sort((a, b) => a - b), near = Math.max(1, Math.floor(NEAR_BYTES / rowBytes));
  const rows = new Uint8Array(distinct.length * rowBytes);
  for (let from = 0; from < distinct.length;) {
    let to = from + 1;
    while (to < distinct.length && distinct[to] - distinct[to - 1] <= near) to++;
    const first = distinct[from], read = await checkpoint.readRows(name, first, distinct[to - 1] - first + 1);
    for (; from < to; from++) {
      const at = (distinct[from] - first) * rowBytes;
      rows.set(read.subarray(at, at + rowBytes), from * rowBytes);
    }
    release(read);
  }
  const places = new Map(distinct.map((id, place) => [id, place]));
  using table = backend.upload(rows, distinct.length, cols, dtype);
  release(rows);
  return lookUp(backend, table, ids.map((id) => places.get(id)!));
}

/** Rows of a matrix on the backend, as F32. */
export function lookUp(backend: Backend, table: Tensor, rows: Uint32Array): Tensor {
  using made = new DisposableStack();
  const out = made.use(backend.allocate(rows.length, table.cols));
  backend.embed(out, rows, table, 0);
  made.move(); // it is the caller's
  return out;
}

/** The tensors of a norm or a linear outside of the blocks, on a backend. */
class EndTensors implements Disposable {
  readonly #tensors = new Map<string, Tensor>();

  private constructor(readonly backend: Backend) {}

  static async load(backend: Backend, checkpoint: Checkpoint, layers: readonly (Norm | Linear | undefined)[]) {
    using scope = new DisposableStack(); // what is there already, should one not fit
    const loaded = scope.use(new EndTensors(backend));
    for (const layer of layers) {
      if (!layer) continue;
      const names = [`${layer.name}.weight`, ...layer.bias ? [`${layer.name}.bias`] : []];
      for (const [name, bytes] of await checkpoint.read(names)) {
        const { dtype, shape } = checkpoint.tensors.get(name)!,
          [rows, cols] = shape.length === 2 ? shape : [1, shape[0]];
        loaded.#tensors.set(name, backend.upload(bytes, rows, cols, dtype));
      }
    }
    scope.move(); // they are the caller's
    return loaded;
  }

  get(name: string): Tensor {
    return this.#tensors.get(name)!;
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor[Symbol.dispose]();
  }
}

/** What a step makes of a tensor that it then lets go of. */
function replaced(operations: WalkOperations, before: Tensor, step: (before: Tensor) => Tensor): Tensor {
  using held = new DisposableStack();
  return step(held.adopt(before, (tensor) => operations.release(tensor)));
}

/** The tensors of an end, as a tape (`model/tape.ts`) asks for them. */
export type EndBlock = ConstructorParameters<typeof PlainOperations>[0];

/** From token ids to hidden states. */
export interface Embedder extends Disposable {
  /** What it multiplies with, besides its tables. */
  readonly tensors: EndBlock;
  /**
   * Embeds tokens: reads just the rows of the embedding that their ids name.
   * @param positions Of each token, in its sequence.
   * @param operations What it computes with; the backend's own by default.
   * @returns F32 tokens x hidden.
   */
  apply(ids: Integers, positions: Uint32Array, operations?: WalkOperations): Promise<Tensor>;
}

/**
 * Loads {@linkcode Embedder}.
 * @param table The embedding's tensor, where it is on the backend already; it stays its owner's.
 */
export async function openEmbedder(
  backend: Backend,
  checkpoint: Checkpoint,
  { embedding }: ModelSpec,
  table?: Tensor,
): Promise<Embedder> {
  const { tensor, width, scale, project, positions: learned, norm } = embedding;
  const layers = await EndTensors.load(backend, checkpoint, [project, norm]);
  return {
    tensors: layers,
    async apply(given, positions, operations = new PlainOperations(layers)) {
      const ids = new Uint32Array(given);
      let hidden = table ? lookUp(backend, table, ids) : await gather(backend, checkpoint, tensor, width, ids);
      operations.gathered?.(tensor, ids, hidden);
      const then = (step: (x: Tensor) => Tensor) => hidden = replaced(operations, hidden, step);
      if (scale !== undefined) then((x) => operations.map(x, { kind: "scale", factor: scale }));
      if (project) then((x) => operations.linear(project, x));
      if (learned) {
        const rows = positions.map((position) => position + learned.offset);
        using held = new DisposableStack();
        const before = held.adopt(hidden, (tensor) => operations.release(tensor));
        const added = await gather(backend, checkpoint, learned.tensor, before.cols, rows);
        operations.gathered?.(learned.tensor, rows, added);
        hidden = operations.add(before, held.adopt(added, (tensor) => operations.release(tensor)));
      }
      if (norm) then((x) => operations.norm(norm, x));
      return hidden;
    },
    [Symbol.dispose]: () => layers[Symbol.dispose](),
  };
}

/** What comes between the last block and the head's weight: a norm, a projection, a scale, as the model has them. */
export interface HeadInput extends Disposable {
  /** What it multiplies with. */
  readonly tensors: EndBlock;
  /**
   * F32 tokens x hidden to F32 tokens x the head's width, a new tensor.
   * @param operations What it computes with; the backend's own by default.
   */
  apply(hidden: Tensor, operations?: WalkOperations): Tensor;
}

/** Loads {@linkcode HeadInput}. */
export async function openHeadInput(
  backend: Backend,
  checkpoint: Checkpoint,
  { head }: ModelSpec,
): Promise<HeadInput> {
  const { norm, project, scale } = head, layers = await EndTensors.load(backend, checkpoint, [norm, project]);
  return {
    tensors: layers,
    apply(hidden, operations = new PlainOperations(layers)) {
      let x = norm ? operations.norm(norm, hidden) : operations.map(hidden, { kind: "scale", factor: 1 });
      const then = (step: (x: Tensor) => Tensor) => x = replaced(operations, x, step);
      if (project) then((x) => operations.linear(project, x));
      // The head is linear: its logits are scaled if its input is.
      if (scale !== undefined) then((x) => operations.map(x, { kind: "scale", factor: scale }));
      return x;
    },
    [Symbol.dispose]: () => layers[Symbol.dispose](),
  };
}

/** A slice of the head: at most this many bytes of weights at a time are read and put on the backend. */
const HEAD_SLICE_BYTES = 16 << 20;

/** A part of the head's rows on a backend. */
export interface HeadSlice extends Disposable {
  /** vocabulary rows x the head's width. */
  readonly weight: Tensor;
  /** The token id of its first row. */
  readonly firstRow: number;
}

/**
 * The head of a model, slice after slice; every slice is disposed before the next comes.
 * @param most Rows of a slice at most.
 */
export async function* headSlices(
  backend: Backend,
  checkpoint: Checkpoint,
  { head, vocabulary }: ModelSpec,
  most = Infinity,
): AsyncGenerator<HeadSlice> {
  const { tensor: name, width } = head, { dtype } = checkpoint.tensors.get(name)!;
  const each = Math.max(1, Math.min(most, Math.floor(HEAD_SLICE_BYTES / (width * BYTES[dtype]))));
  for (let firstRow = 0; firstRow < vocabulary; firstRow += each) {
    const rows = Math.min(each, vocabulary - firstRow);
    const bytes = await checkpoint.readRows(name, firstRow, rows);
    using weight = backend.upload(bytes, rows, width, dtype);
    release(bytes);
    yield { weight, firstRow, [Symbol.dispose]: () => weight[Symbol.dispose]() };
  }
}
