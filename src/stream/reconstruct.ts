/**
 * Block reconstruction (EBFT: Guo et al., 2024, arXiv 2402.12419; Wagner et al., 2025, arXiv 2510.14444): after a block is
 * pruned, by whatever method, the weights that it keeps are fitted by AdamW so that it gives what the dense network has after
 * that block. Inputs are what the pruned and reconstructed blocks before it give; targets are a second stream of hidden states,
 * that of the dense network, so what earlier blocks have lost is made up for as well. One block, its gradients and its moments
 * are in memory at a time.
 *
 * ```text
 *   dense stream    ──▶ dense block ──▶ targets, and the dense stream of the next block
 *   pruned stream   ──▶ pruned block ──▶ output;  loss = mean (output - target)²;  backward (model/tape.ts);  AdamW
 *   pruned stream   ──▶ reconstructed block ──▶ the pruned stream of the next block
 * ```
 */
import type { Backend, Mask, Tensor } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { Block } from "../model/block.ts";
import type { Linear } from "../model/spec.ts";
import { Tape } from "../model/tape.ts";
import { walk } from "../model/walk.ts";
import { countSequences } from "../text/batch.ts";
import { drive, type Portion, type Stream } from "./stream.ts";

/** How blocks are reconstructed. */
export interface ReconstructOptions {
  /** How often all sequences are gone through. */
  readonly epochs: number;
  /** AdamW's rate at the first step; it falls linearly to 0 over all of them. */
  readonly rate: number;
  /** What stays removed of a linear, by its name, where its zeros do not tell it. */
  readonly masks?: (linear: string) => Mask | undefined;
}

/**
 * The rate for hidden states of a width, where none is asked for: 3e-3 at 96, which closed most of the gap of Austen-700K in one
 * epoch (1e-3 closed less; PyTorch), and in inverse proportion to the width beyond, as Adam's rate goes (µP; Yang et al., 2022).
 */
export function reconstructionRate(hidden: number): number {
  return 3e-3 * Math.min(1, 96 / hidden);
}

/** Sequences of a step: few, since steps are what one epoch has of them. */
const STEP_SEQUENCES = 4;

/** AdamW's usual settings (Loshchilov and Hutter, 2019), no decay: what is fitted is near already. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 } as const;

/** What a reconstruction did to a block. */
export interface BlockReconstruction {
  /** Its number. */
  readonly block: number;
  /**
   * `‖output - target‖² / ‖target‖²` on the first step's sequences, before the first step and after the last: the target is the
   * dense network's hidden state after the block.
   */
  readonly before: number;
  /** See before. */
  readonly after: number;
  /** Whether the steps were undone, since they made it no smaller. */
  readonly undone?: true;
}

/** A weight that is fitted. */
interface Fitted extends Disposable {
  readonly name: string;
  /** F32; in the block's place of the weight meanwhile. */
  readonly master: Tensor;
  readonly gradient: Tensor;
  readonly moments: { readonly first: Tensor; readonly second: Tensor };
  /** What was pruned, and stays so. */
  readonly mask: Mask;
}

/**
 * Fits the kept weights of some of a block's linears, which are pruned and on the backend.
 * @param stream Whose hidden states are the block's inputs.
 * @param targets A fork of it, whose hidden states are what the block is to give.
 * @param onStep Told of every part of a step, by its tokens.
 * @throws PareError if the loss is no number: the rate is too high, or activations overflow.
 */
export async function reconstruct(
  block: Block,
  linears: readonly Linear[],
  stream: Stream,
  targets: Stream,
  { epochs, rate, masks }: ReconstructOptions,
  onStep: (tokens: number) => void,
): Promise<BlockReconstruction> {
  const { backend } = block;
  using held = new DisposableStack();
  const weights = linears.map(({ name }) => `${name}.weight`);
  /** What the block holds in a weight's place, to be put back. */
  const originals = new Map<string, Tensor>();
  const fitted = new Map<string, Fitted>();
  /** However this ends the block has its own tensors again. */
  held.defer(() => originals.forEach((original, name) => void block.exchange(name, original)));
  for (const [i, name] of weights.entries()) {
    const weight = block.get(name), one = fit(backend, name, weight, masks?.(linears[i].name));
    held.use(one);
    fitted.set(name, one);
    originals.set(name, block.exchange(name, one.master));
  }
  const steps = stepsOf(stream), [first] = steps;
  const count = epochs * steps.length;
  using before = new OutputError(backend, stream.spec.hidden);
  for (let step = 0; step < count; step++) {
    const portions = steps[step % steps.length];
    const numbers = portions.reduce((sum, { batch }) => sum + batch.ids.length, 0) * stream.spec.hidden;
    for (const one of fitted.values()) clear(backend, one.gradient);
    for (const portion of portions) {
      using lease = await stream.portion(portion);
      using target = await targets.portion(portion);
      using tape = new Tape(block, { trains: (name) => fitted.has(name), input: false });
      const context = stream.tables.batch(portion.batch);
      using output = await drive(block, walk(block, context, lease.tensor, tape));
      if (step === 0) before.add(output, target.tensor);
      // The loss is a mean over all numbers of a step.
      const factor = 2 / numbers;
      const dy = backend.combine([{ tensor: output, kept: factor }, { tensor: target.tensor, kept: -factor }]);
      const gradients = (name: string) => fitted.get(name)?.gradient;
      await drive(block, tape.backward(dy, { gradients, input: false }));
      onStep(portion.batch.ids.length);
      await stream.pace.step();
    }
    for (const { master, moments, gradient, mask } of fitted.values()) {
      backend.adamw(master, moments, gradient, { ...ADAMW, rate: rate * (count - step) / count, step: step + 1, mask });
    }
  }
  using after = new OutputError(backend, stream.spec.hidden);
  for (const portion of first) {
    using lease = await stream.portion(portion);
    using target = await targets.portion(portion);
    using output = await drive(block, walk(block, stream.tables.batch(portion.batch), lease.tensor));
    after.add(output, target.tensor);
  }
  const [was, is] = [await before.read(), await after.read()], { index } = block.spec;
  if (!Number.isFinite(is)) {
    throw new PareError(
      `reconstruction of ${block.spec.name}: the error after ${count} steps is ${is}: expected a smaller rate than ${rate}`,
    );
  }
  if (is >= was) return { block: index, before: was, after: was, undone: true };
  for (const [name, original] of originals) backend.assign(original, fitted.get(name)!.master);
  return { block: index, before: was, after: is };
}

/** Begins to fit a weight. */
function fit(backend: Backend, name: string, weight: Tensor, known?: Mask): Fitted {
  using made = new DisposableStack();
  const { rows, cols } = weight, zeros = () => made.use(backend.allocate(rows, cols));
  const master = made.use(backend.combine([{ tensor: weight, kept: 1 }]));
  const mask = known ?? made.use(backend.zeros(weight));
  const one = { name, master, gradient: zeros(), moments: { first: zeros(), second: zeros() }, mask };
  const owned = made.move();
  return { ...one, [Symbol.dispose]: () => owned.dispose() };
}

/** Makes zeros of a tensor. */
function clear(backend: Backend, tensor: Tensor): void {
  using zeros = backend.combine([{ tensor, kept: 0 }]);
  backend.assign(tensor, zeros);
}

/** The parts of each step: sequences in their order, those of one part of the stream together. */
function stepsOf(stream: Stream): Portion[][] {
  const steps: Portion[][] = [];
  let sequence = 0;
  for (const [part, batch] of stream.fittedParts.entries()) {
    for (let first = 0; first < countSequences(batch);) {
      const step = Math.floor(sequence / STEP_SEQUENCES);
      const room = STEP_SEQUENCES - sequence % STEP_SEQUENCES, end = Math.min(countSequences(batch), first + room);
      (steps[step] ??= []).push(stream.cut(part, first, end));
      sequence += end - first;
      first = end;
    }
  }
  return steps;
}

/** `‖output - target‖² / ‖target‖²`, over all that is added. */
class OutputError implements Disposable {
  readonly #wrong: Tensor;
  readonly #all: Tensor;
  readonly #owned: Disposable;

  constructor(readonly backend: Backend, hidden: number) {
    using made = new DisposableStack();
    [this.#wrong, this.#all] = [1, 2].map(() => made.use(backend.allocate(2, hidden)));
    this.#owned = made.move();
  }

  add(output: Tensor, target: Tensor): void {
    using difference = this.backend.combine([{ tensor: output, kept: 1 }, { tensor: target, kept: -1 }]);
    this.backend.addSquares(this.#wrong, difference);
    this.backend.addSquares(this.#all, target);
  }

  async read(): Promise<number> {
    const read = await this.backend.read(this.#wrong, this.#all);
    const [wrong, all] = read.map(({ buffer }) => new Float32Array(buffer).reduce((sum, value) => sum + value, 0));
    return all === 0 ? 0 : wrong / all;
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }
}
