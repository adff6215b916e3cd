/**
 * A pruned model that `compare` trains further, within a budget that is the same for all: the paper's Table 6. What is trained
 * is kept in memory, rounded as it would be written, and measured in the pruned model's place.
 */
import { overlay } from "../../checkpoint/overlay.ts";
import {
  type Backend,
  type Checkpoint,
  chooseTargets,
  type Masks,
  type ModelSpec,
  precisionFor,
  prune,
  readMasks,
  readSpec,
  reconstructionRate,
  type SpoolOptions,
  tune,
  tunedLinears,
  windowsAt,
  writeTuned,
} from "../../mod.ts";
import { keep } from "../../method/keep.ts";
import { type Packed, WindowOrder } from "../../text/packed.ts";
import { sequencesOf } from "../../text/batch.ts";
import { openTrainee } from "./finetune.ts";

/** Ways to train a pruned model further, and what a table calls them. */
export const TUNED_BY = { lora: "LoRA", full: "all weights", reconstruct: "block reconstruction" } as const;

/** See {@linkcode TUNED_BY}. */
export type TunedBy = keyof typeof TUNED_BY;

/** What training may take. */
export interface Budget {
  /** Which ways are taken, in their order. */
  readonly by: readonly TunedBy[];
  readonly steps: number;
  /** Windows of a step. */
  readonly batch: number;
  /** The highest rate of LoRA and of all weights. */
  readonly rate: number;
  /** Minutes of each training at most. */
  readonly minutes?: number;
}

/** Windows that blocks are fitted on at most: as many as prune is calibrated on. */
const RECONSTRUCTED = 128;

/** The published adapters (locuslab/wanda, `lora_ft`), inside the mask. */
const LORA = { rank: 8, alpha: 16, dropout: 0.05 } as const;
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: 1 } as const;
const WARMUP = 5;

/** A training of a comparison. */
export interface Training {
  readonly backend: Backend;
  readonly dense: Checkpoint;
  readonly pruned: Checkpoint;
  readonly text: Packed;
  readonly budget: Budget;
  readonly spool: SpoolOptions;
  readonly signal: AbortSignal;
  /** Told how far it is, of its tokens. */
  readonly onProgress: (done: number, total: number) => void;
}

/** What a budget comes to, in words, under a table. */
export function describeBudget({ by, steps, batch, rate, minutes }: Budget, { length, description }: Packed): string {
  const most = minutes === undefined ? "" : `, ${minutes} minutes each at most`;
  const stepping = by.filter((one) => one !== "reconstruct").map((one) => TUNED_BY[one]).join(" and ");
  return "Fine-tuning under the mask: " + [
    ...stepping ? [`${stepping}: ${steps} steps of ${batch} x ${length} tokens of ${description}, rate ${rate}`] : [],
    ...by.includes("reconstruct")
      ? [`block reconstruction: one epoch over ${Math.min(RECONSTRUCTED, steps * batch)} x ${length} tokens of it`]
      : [],
  ].join("; ") + `${most}.`;
}

/** Trains, and gives the model as it would be written. @returns It, and the seconds that it took. */
export async function train(by: TunedBy, training: Training): Promise<{ tuned: Checkpoint; seconds: number }> {
  const { backend, pruned } = training, spec = readSpec(pruned), begun = performance.now();
  const made = new Map<string, Uint8Array<ArrayBuffer>>();
  using masks = await readMasks(backend, pruned, spec, { dense: true });
  if (by === "reconstruct") await reconstruct(training, spec, masks, made);
  else await trainSteps(by, training, spec, masks, made);
  const tuned = overlay(pruned, (name) => made.has(name) ? Promise.resolve(made.get(name)!.slice()) : undefined);
  return { tuned, seconds: (performance.now() - begun) / 1000 };
}

async function reconstruct(
  { backend, dense, pruned, text, budget, spool, signal, onProgress }: Training,
  spec: ModelSpec,
  masks: Masks,
  made: Map<string, Uint8Array<ArrayBuffer>>,
): Promise<void> {
  const begun = performance.now(), { minutes = Infinity } = budget;
  await prune({
    ...{ checkpoint: pruned, teacher: dense, backend, spool, signal },
    targets: chooseTargets(spec, { sparsity: 0 }),
    method: keep,
    request: { sparsity: 0 },
    calibration: sequencesOf(text.train, 0, Math.min(RECONSTRUCTED, text.windows)),
    reconstruct: { epochs: 1, rate: reconstructionRate(spec.hidden), masks: (linear) => masks.get(linear) },
    readBack: (name) => Promise.resolve(made.get(name)!.slice()),
    write: (name, bytes) => Promise.resolve(void made.set(name, bytes)),
    afterBlock: () => Promise.resolve(performance.now() - begun < minutes * 60_000),
    onProgress: ({ tokens, totalTokens }) => onProgress(tokens, totalTokens),
  });
}

async function trainSteps(
  by: "lora" | "full",
  { backend, pruned, text, budget, spool, signal, onProgress }: Training,
  spec: ModelSpec,
  masks: Masks,
  made: Map<string, Uint8Array<ArrayBuffer>>,
): Promise<void> {
  if (by === "full") precisionFor(spec, { backend, tokens: text.length, spooled: spool.always === true }, "f32");
  const { steps, batch, rate: peak, minutes = Infinity } = budget;
  const lora = by === "lora" ? { ...LORA, linears: tunedLinears(spec) } : undefined, seed = 0;
  using trainee = await openTrainee({ backend, checkpoint: pruned, spec, masks }, { lora, seed });
  const order = new WindowOrder(text.windows, batch, seed);
  const tuned = await tune({
    ...{ backend, spec, trainee, spool, signal, heldOut: text.heldOut, microBatch: 1 },
    windowsOf: (step) => windowsAt(text.train, text.length, order.of(step)),
    schedule: { peak, warmup: Math.min(WARMUP, steps - 1), steps, decay: "linear" },
    optimizer: OPTIMIZER,
    evalEvery: steps,
    mostSeconds: minutes * 60,
    onStep: ({ step }) => onProgress(step * batch * text.length, steps * batch * text.length),
  });
  trainee.parameters.forEach(({ weight }, at) => weight.set(tuned.best[at]));
  await writeTuned({
    ...{ backend, checkpoint: pruned, spec, trainee, masks },
    write: (name, bytes) => Promise.resolve(void made.set(name, bytes.slice())),
  });
}
