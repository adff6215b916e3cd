/**
 * The loss of some sequences, and what a model's parameters have to do with it. Forward through all blocks, keeping the hidden
 * states before each; through the head and back over it (`head_gradients.ts`); then backward, block after block: each is read
 * again, its gradients leave, the next is read. What a block's operations need on the way back (its record: a tape,
 * `model/tape.ts`) is kept from the way forward while all such records fit a limit; the blocks beyond it are walked again. So
 * besides hidden states and those records one block is in memory at a time.
 *
 * ```text
 * const { loss } = await lossGradients(batch, {
 *   checkpoint, backend, spec,
 *   source,                                  // where blocks' tensors come from, if not from the checkpoint
 *   gradients: (name) => wanted.get(name),   // F32 tensors that are added to, by the parameters' names
 * });
 * ```
 *
 * The loss is the mean cross entropy of the next token, over all tokens that have one; `losses` scales it, so that several
 * calls add up to the mean over all of them.
 */
import { type Backend, BYTES, type Tensor } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Block, TensorSource } from "../model/block.ts";
import { blockTensors, embeddingTensors } from "../model/layers.ts";
import type { ModelSpec } from "../model/spec.ts";
import { type ParameterGradients, Tape } from "../model/tape.ts";
import { PlainOperations, walk, type WalkOperations } from "../model/walk.ts";
import { type Batch, countSequences, positionsOf } from "../text/batch.ts";
import { batches, Pace } from "./batches.ts";
import { headSlices, openEmbedder, openHeadInput } from "./ends.ts";
import { headGradients } from "./head_gradients.ts";
import { type Lease, openHiddenStates, type SpoolOptions } from "./hidden.ts";
import { lossOf, nextTokens } from "./losses.ts";
import { RotaryTables } from "./rotary.ts";
import { type BlockSchedule, runSchedule } from "./schedule.ts";
import { drive } from "./stream.ts";
import { checkTokens } from "./tokens.ts";

/** What {@linkcode lossGradients} takes. */
export interface GradientOptions {
  /** The model: its ends are read from here. */
  readonly checkpoint: Checkpoint;
  readonly backend: Backend;
  readonly spec: ModelSpec;
  /** Where the blocks' tensors are; the checkpoint by default. */
  readonly source?: TensorSource;
  /** Where gradients go: {@linkcode ParameterGradients}. Without it the loss alone is computed. */
  readonly gradients?: ParameterGradients;
  /** Whether a parameter is trained, by its name; those that {@linkcode GradientOptions.gradients} has by default. */
  readonly trains?: (name: string) => boolean;
  /** Bytes of records that are kept on the way forward; {@linkcode recordBytes} by default. */
  readonly records?: number;
  /** How many losses the mean is over: those of this batch by default. */
  readonly losses?: number;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Stops it between two batches. */
  readonly signal?: AbortSignal;
  /** What a block's walk computes with, from the backend's operations or a tape's; those themselves by default. */
  readonly operations?: (operations: WalkOperations, part: number) => WalkOperations;
  /** Told of the gradients by a block's input and output, part after part; they are for the time of the call. */
  readonly onHidden?: (block: number, part: number, gradient: Tensor) => void;
}

/** Bytes of records that a backend is given to keep: half of what its hidden states may take. */
export function recordBytes({ limits }: Pick<Backend, "limits">): number {
  return limits.spoolAbove / 2;
}

/** A block's record of a part, and the hidden states that it began with. */
interface Kept extends Disposable {
  readonly tape: Tape;
}

/** See the file's head. */
export async function lossGradients(batch: Batch, options: GradientOptions): Promise<{ readonly loss: number }> {
  const { checkpoint, backend, spec, gradients, spool, signal } = options, source = options.source ?? checkpoint;
  checkTokens(spec, batch);
  const parts = batches(batch, backend.limits.batchTokens), { blocks } = spec, count = parts.length;
  const { operations = (own: WalkOperations) => own, records = recordBytes(backend) } = options;
  const trains = options.trains ?? ((name: string) => gradients?.(name) !== undefined);
  const pace = new Pace(() => backend.read(), signal);
  await using opened = new AsyncDisposableStack();
  const held = gradients ? blocks.length + 1 : 1;
  const states = opened.use(await openHiddenStates(backend, held * batch.ids.length * spec.hidden * BYTES.F32, spool));
  const tables = opened.use(new RotaryTables(backend)),
    embedder = opened.use(await openEmbedder(backend, checkpoint, spec));
  /** Where the hidden states before a block are. */
  const place = (block: number, part: number) => gradients ? block * count + part : part;
  for (const [i, part] of parts.entries()) {
    await states.store(place(0, i), await embedder.apply(part.ids, positionsOf(part)));
  }
  const each = (run: BlockSchedule["steps"][number]["run"]) =>
    blocks.map(({ index }): BlockSchedule => ({ block: index, steps: [{ passes: 1, run }] }));
  const context = { backend, spec, source, signal };

  // Below the lowest block of which something is trained nothing is gone back over; -1 are the tables before it.
  const isTrained = (tensors: readonly { readonly name: string }[]) => tensors.some(({ name }) => trains(name));
  const found = blocks.findIndex((block) => isTrained(blockTensors(block)));
  const lowest = isTrained(embeddingTensors(spec)) ? -1 : found < 0 ? blocks.length : found;
  /** Walks a part of a block with a tape. */
  const record = async (block: Block, i: number, lease: Lease): Promise<{ tape: Tape; after: Tensor }> => {
    using made = new DisposableStack();
    const tape = made.use(new Tape(block, { trains, input: block.spec.index > lowest }));
    const after = await drive(block, walk(block, tables.batch(parts[i]), lease.tensor, operations(tape, i)));
    made.move(); // it is the caller's
    return { tape, after };
  };
  const kept = new Map<number, Kept>();
  opened.defer(() => kept.forEach((one) => one[Symbol.dispose]()));
  /** Bytes of the records that are kept, and of the one that was made last. */
  let bytes = 0, last = 0;
  await runSchedule(
    each(async (block) => {
      const { index } = block.spec;
      for (const [i, part] of parts.entries()) {
        using held = new DisposableStack();
        const lease = held.use(await states.load(place(index, i)));
        let after: Tensor;
        if (gradients && index >= lowest && bytes + last <= records) {
          const made = await record(block, i, lease);
          const tape = held.use(made.tape);
          last = tape.bytes;
          after = made.after;
          if (bytes + last <= records) {
            bytes += last;
            const owned = held.move();
            kept.set(place(index, i), { tape, [Symbol.dispose]: () => owned.dispose() });
          }
        } else {
          const own = operations(new PlainOperations(block), i);
          after = await drive(block, walk(block, tables.batch(part), lease.tensor, own));
        }
        await states.store(place(index + 1, i), after);
        await pace.step();
      }
    }),
    context,
  );

  const losses = options.losses ?? batch.ids.length - countSequences(batch), { softCap, tensor } = spec.head;
  const headInput = opened.use(await openHeadInput(backend, checkpoint, spec));
  let sum = 0;
  for (const [i, part] of parts.entries()) {
    const tokens = part.ids.length, targets = nextTokens(part), weights = new Float32Array(tokens).fill(1 / losses);
    for (const end of part.offsets.subarray(1)) weights[end - 1] = 0;
    using lease = await states.load(place(blocks.length, i));
    using tape = new Tape(headInput.tensors);
    using x = headInput.apply(lease.tensor, tape);
    if (!gradients) {
      using state = backend.allocate(tokens, 3);
      for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec)) {
        backend.crossEntropy(state, x, weight, firstRow, targets, { start: firstRow === 0, softCap });
        await pace.step();
      }
      const [read] = await backend.read(state), found = new Float32Array(read.buffer);
      weights.forEach((weight, t) => sum += weight ? lossOf(found, t) : 0);
      continue;
    }
    const own = { backend, checkpoint, spec, x, targets, weights, byHead: gradients(tensor), step: () => pace.step() };
    const found = await headGradients(own);
    sum += found.sum;
    const back = driveEnd(tape.backward(found.dx, { gradients, input: true }));
    await states.store(place(blocks.length, i), back!);
  }
  if (gradients) {
    await runSchedule(
      each(async (block) => {
        const { index } = block.spec;
        for (const i of parts.keys()) {
          using after = await states.load(place(index + 1, i));
          options.onHidden?.(index + 1, i, after.tensor);
          using made = new DisposableStack();
          let tape = kept.get(place(index, i))?.tape;
          if (tape) {
            made.use(kept.get(place(index, i)));
            kept.delete(place(index, i));
            tape.rebind(block);
          } else {
            const again = await record(block, i, made.use(await states.load(place(index, i))));
            made.use(again.after);
            tape = made.use(again.tape);
          }
          const dy = backend.copy(after.tensor);
          const back = await drive(block, tape.backward(dy, { gradients, input: index > lowest }));
          if (back) await states.store(place(index, i), back);
          states.drop(place(index + 1, i));
          await pace.step();
        }
      }).slice(Math.max(0, lowest)).reverse(),
      context,
    );
    for (const [i, part] of parts.entries()) {
      if (lowest >= 0) break;
      using lease = await states.load(place(0, i));
      options.onHidden?.(0, i, lease.tensor);
      using tape = new Tape(embedder.tensors);
      using _hidden = await embedder.apply(part.ids, positionsOf(part), tape);
      driveEnd(tape.backward(backend.copy(lease.tensor), { gradients, input: false }));
    }
  }
  await backend.read();
  return { loss: sum / losses };
}

/** Runs a backward pass that asks for nothing. */
function driveEnd(back: ReturnType<Tape["backward"]>): Tensor | undefined {
  const { done, value } = back.next();
  if (done) return value;
  throw new TypeError(`the end of a model asks for ${value.kind}`);
}
