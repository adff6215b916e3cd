/**
 * The loss of some sequences, and what a model's parameters have to do with it. Forward through all blocks, keeping the hidden
 * states before each; through the head slice by slice, twice: for the loss, and for its gradient; then backward, block after
 * block: each is read again and walked again with a tape (`model/tape.ts`), its gradients leave, the next is read. So besides
 * hidden states one block is in memory at a time.
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
import type { TensorSource } from "../model/block.ts";
import type { ModelSpec } from "../model/spec.ts";
import { type ParameterGradients, Tape } from "../model/tape.ts";
import { PlainOperations, walk, type WalkOperations } from "../model/walk.ts";
import { type Batch, countSequences, positionsOf } from "../text/batch.ts";
import { batches, Pace } from "./batches.ts";
import { headSlices, openEmbedder, openHeadInput } from "./ends.ts";
import { openHiddenStates, type SpoolOptions } from "./hidden.ts";
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

/** Bytes of a slice of the logits, of which there are two while it is gone back over. */
const LOGITS_BYTES = 16 << 20;

/** See the file's head. */
export async function lossGradients(batch: Batch, options: GradientOptions): Promise<{ readonly loss: number }> {
  const { checkpoint, backend, spec, gradients, spool, signal } = options, source = options.source ?? checkpoint;
  checkTokens(spec, batch);
  const parts = batches(batch, backend.limits.batchTokens), { blocks } = spec, count = parts.length;
  const { operations = (own: WalkOperations) => own } = options;
  const pace = new Pace(() => backend.read(), signal);
  await using opened = new AsyncDisposableStack();
  const kept = gradients ? blocks.length + 1 : 1;
  const states = opened.use(await openHiddenStates(backend, kept * batch.ids.length * spec.hidden * BYTES.F32, spool));
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
  await runSchedule(
    each(async (block) => {
      for (const [i, part] of parts.entries()) {
        using lease = await states.load(place(block.spec.index, i));
        const after = await drive(
          block,
          walk(block, tables.batch(part), lease.tensor, operations(new PlainOperations(block), i)),
        );
        await states.store(place(block.spec.index + 1, i), after);
        await pace.step();
      }
    }),
    context,
  );

  const losses = options.losses ?? batch.ids.length - countSequences(batch), { softCap, width, tensor } = spec.head;
  const headInput = opened.use(await openHeadInput(backend, checkpoint, spec));
  let sum = 0;
  for (const [i, part] of parts.entries()) {
    const tokens = part.ids.length, targets = nextTokens(part), weights = new Float32Array(tokens).fill(1 / losses);
    for (const end of part.offsets.subarray(1)) weights[end - 1] = 0;
    using lease = await states.load(place(blocks.length, i));
    using tape = new Tape(headInput.tensors);
    using x = headInput.apply(lease.tensor, tape);
    using state = backend.allocate(tokens, 3);
    for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec)) {
      backend.crossEntropy(state, x, weight, firstRow, targets, { start: firstRow === 0, softCap });
      await pace.step();
    }
    const [bytes] = await backend.read(state), found = new Float32Array(bytes.buffer);
    weights.forEach((weight, t) => sum += weight ? lossOf(found, t) : 0);
    if (!gradients) continue;
    using held = new DisposableStack();
    let dx = backend.allocate(tokens, width);
    held.defer(() => dx[Symbol.dispose]());
    const byHead = gradients(tensor), most = Math.max(1, Math.floor(LOGITS_BYTES / (tokens * BYTES.F32)));
    for await (const { weight, firstRow } of headSlices(backend, checkpoint, spec, most)) {
      using logits = backend.linear(x, weight);
      using dy = backend.crossEntropyBackward(state, logits, firstRow, targets, weights, softCap);
      if (byHead) backend.addWeightGradient(byHead, dy, x, firstRow);
      using before = dx;
      using own = backend.linearBackward(dy, weight);
      dx = backend.add(before, own);
      await pace.step();
    }
    const back = driveEnd(tape.backward(backend.copy(dx), { gradients, input: true }));
    await states.store(place(blocks.length, i), back!);
  }
  if (gradients) {
    await runSchedule(
      each(async (block) => {
        const { index } = block.spec;
        for (const [i, part] of parts.entries()) {
          using after = await states.load(place(index + 1, i));
          options.onHidden?.(index + 1, i, after.tensor);
          using lease = await states.load(place(index, i));
          using tape = new Tape(block);
          using _output = await drive(block, walk(block, tables.batch(part), lease.tensor, operations(tape, i)));
          const dy = backend.copy(after.tensor);
          const back = await drive(block, tape.backward(dy, { gradients, input: true }));
          await states.store(place(index, i), back!);
          states.drop(place(index + 1, i));
          await pace.step();
        }
      }).reverse(),
      context,
    );
    for (const [i, part] of parts.entries()) {
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
