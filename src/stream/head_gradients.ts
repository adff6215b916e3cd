/**
 * The loss of some tokens and its gradient by what goes into the head, in one walk over the vocabulary: of some tokens at a
 * time the logits stay until they have been gone back over, so that no product is computed twice.
 */
import { type Backend, BYTES, type Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelSpec } from "../model/spec.ts";
import { headSlices, lookUp } from "./ends.ts";
import { lossOf } from "./losses.ts";

/**
 * Bytes of logits that stay: of SmolLM2's 49152 words those of 682 tokens, of 256000 words those of 131, for which to read
 * and pack the head again costs half of what they are multiplied in.
 */
const LOGITS_BYTES = 128 << 20;

/** Bytes of a slice of them, of which there are two while it is gone back over: the logits, and what the loss makes of them. */
const SLICE_BYTES = 16 << 20;

/** What {@linkcode headGradients} takes. */
export interface HeadOptions {
  readonly backend: Backend;
  readonly checkpoint: Checkpoint;
  readonly spec: ModelSpec;
  /** What goes into the head, F32 tokens x its width. */
  readonly x: Tensor;
  /** The token that each row predicts, and how much its loss counts. */
  readonly targets: Uint32Array;
  readonly weights: Float32Array<ArrayBuffer>;
  /** Where the gradient by the head's own weight is added, if that is wanted. */
  readonly byHead?: Tensor;
  /** Waited for after every slice. */
  readonly step: () => Promise<void>;
}

/**
 * See the file's head.
 * @returns The sum of the losses that count at all, and the gradient by x: the caller's.
 */
export async function headGradients(options: HeadOptions): Promise<{ readonly sum: number; readonly dx: Tensor }> {
  const { backend, spec: { vocabulary }, x } = options;
  const most = Math.max(1, Math.floor(LOGITS_BYTES / (vocabulary * BYTES.F32)));
  // Of about one size.
  const each = Math.ceil(x.rows / Math.ceil(x.rows / most));
  if (each === x.rows) return await someGradients(options);
  using made = new DisposableStack();
  const dx = made.use(backend.allocate(x.rows, x.cols));
  let sum = 0;
  for (let first = 0; first < x.rows; first += each) {
    const end = Math.min(x.rows, first + each),
      rows = Uint32Array.from({ length: end - first }, (_, row) => first + row);
    using some = lookUp(backend, x, rows);
    const targets = options.targets.slice(first, end), weights = options.weights.slice(first, end);
    const found = await someGradients({ ...options, x: some, targets, weights });
    using own = found.dx;
    backend.setRows(dx, own, rows);
    sum += found.sum;
  }
  made.move(); // it is the caller's
  return { sum, dx };
}

/** The same of tokens whose logits stay. */
async function someGradients(
  { backend, checkpoint, spec, x, targets, weights, byHead, step }: HeadOptions,
): Promise<{ readonly sum: number; readonly dx: Tensor }> {
  const { softCap } = spec.head, most = Math.max(1, Math.floor(SLICE_BYTES / (x.rows * BYTES.F32)));
  using held = new DisposableStack();
  const state = held.use(backend.allocate(x.rows, 3)), all: Tensor[] = [];
  for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec, most)) {
    const logits = held.use(backend.linear(x, weight));
    backend.crossEntropyOfLogits(state, logits, firstRow, targets, { start: firstRow === 0, softCap });
    all.push(logits);
    await step();
  }
  const [bytes] = await backend.read(state), found = new Float32Array(bytes.buffer);
  let sum = 0, slice = 0;
  weights.forEach((weight, t) => sum += weight ? lossOf(found, t) : 0);
  let dx: Tensor | undefined;
  held.defer(() => dx?.[Symbol.dispose]());
  for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec, most)) {
    using logits = all[slice++];
    using dy = backend.crossEntropyBackward(state, logits, firstRow, targets, weights, softCap);
    if (byHead) backend.addWeightGradient(byHead, dy, x, firstRow);
    const own = backend.linearBackward(dy, weight);
    if (dx) {
      using before = dx;
      using more = own;
      dx = backend.add(before, more);
    } else dx = own;
    await step();
  }
  const result = dx!;
  dx = undefined; // it is the caller's
  return { sum, dx: result };
}
