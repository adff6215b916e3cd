/**
 * The two ends of the network around its blocks: token ids to hidden states, and hidden states to losses or logits.
 * The embedding and the head are the largest matrices of a small model; neither is ever whole in memory.
 */
import { type Backend, BYTES, type Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Shape } from "../model/config.ts";
import { EMBEDDING, FINAL_NORM, headName } from "../model/tensors.ts";
import type { Sequences } from "./batches.ts";

/**
 * Embeds a batch: reads just the rows of the embedding that its ids name.
 * @returns F32 tokens x hidden.
 */
export async function embed(
  backend: Backend,
  checkpoint: Checkpoint,
  shape: Shape,
  { ids }: Sequences,
): Promise<Tensor> {
  const { dtype } = checkpoint.tensors.get(EMBEDDING)!;
  const distinct = [...new Set(ids)].sort((a, b) => a - b), rowBytes = shape.hidden * BYTES[dtype];
  const rows = new Uint8Array(distinct.length * rowBytes);
  for (let from = 0; from < distinct.length;) {
    let to = from + 1;
    while (to < distinct.length && distinct[to] === distinct[to - 1] + 1) to++;
    rows.set(await checkpoint.readRows(EMBEDDING, distinct[from], to - from), from * rowBytes);
    from = to;
  }
  const places = new Map(distinct.map((id, place) => [id, place]));
  using table = backend.upload(rows, distinct.length, shape.hidden, dtype);
  using scope = new DisposableStack();
  const hidden = scope.use(backend.allocate(ids.length, shape.hidden));
  backend.embed(hidden, ids.map((id) => places.get(id)!), table, 0);
  scope.move(); // the caller disposes of it
  return hidden;
}

/** The last norm of the model, on hidden states after the last block. */
export async function finalNorm(
  backend: Backend,
  checkpoint: Checkpoint,
  shape: Shape,
): Promise<(hidden: Tensor) => Tensor> {
  const bytes = (await checkpoint.read([FINAL_NORM])).get(FINAL_NORM)!;
  const { dtype } = checkpoint.tensors.get(FINAL_NORM)!;
  return (hidden) => {
    using gain = backend.upload(bytes, 1, shape.hidden, dtype);
    return backend.norm(hidden, gain, { kind: "rms", epsilon: shape.epsilon });
  };
}

/** A slice of the head: at most this many bytes of weights at a time are read and put on the backend. */
const HEAD_SLICE_BYTES = 16 << 20;

/** A part of the head's rows on a backend. */
export interface HeadSlice extends Disposable {
  /** vocabulary rows x hidden. */
  readonly weight: Tensor;
  /** The token id of its first row. */
  readonly firstRow: number;
}

/** The head of a model, slice after slice; every slice is disposed before the next comes. */
export async function* headSlices(backend: Backend, checkpoint: Checkpoint, shape: Shape): AsyncGenerator<HeadSlice> {
  const name = headName(shape), { dtype } = checkpoint.tensors.get(name)!;
  const each = Math.max(1, Math.floor(HEAD_SLICE_BYTES / (shape.hidden * BYTES[dtype])));
  for (let firstRow = 0; firstRow < shape.vocabulary; firstRow += each) {
    const rows = Math.min(each, shape.vocabulary - firstRow);
    using weight = backend.upload(await checkpoint.readRows(name, firstRow, rows), rows, shape.hidden, dtype);
    yield { weight, firstRow, [Symbol.dispose]: () => weight[Symbol.dispose]() };
  }
}
