/**
 * The loop of training: batches of windows through the model and back, a step of AdamW for each, perplexity on what is held out
 * every so many steps, and the best state kept. What it does depends on nothing but its options: a run that is gone on with
 * from a state gives the same bytes as one that was never stopped.
 */
import type { Backend } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { ModelSpec } from "../model/spec.ts";
import { lossGradients } from "../stream/gradients.ts";
import type { SpoolOptions } from "../stream/hidden.ts";
import { type Batch, countSequences, rectangle, sequencesOf } from "../text/batch.ts";
import { gradientNorm, type OptimizerOptions, takeStep } from "./optimizer.ts";
import type { Numbers } from "./parameter.ts";
import { rateAt, type RateSchedule } from "./rate.ts";
import type { Trainee } from "./trainee.ts";

/** What a step came to. */
export interface StepRecord {
  /** From 1 on. */
  readonly step: number;
  /** Mean cross entropy of its batch, nats, before it moved anything. */
  readonly loss: number;
  /** The learning rate. */
  readonly rate: number;
  /** Of all gradients together, before clipping. */
  readonly norm: number;
}

/** What an evaluation came to. */
export interface EvaluationRecord {
  /** After which step; 0 before the first. */
  readonly step: number;
  /** Mean cross entropy on what is held out, nats. */
  readonly loss: number;
}

/** How far training has come, and how it went. */
export interface Progress {
  /** Steps that were taken. */
  readonly step: number;
  /** Seconds that they took, over all runs that were gone on with. */
  readonly seconds: number;
  /** One a step. */
  readonly steps: readonly StepRecord[];
  /** One an evaluation. */
  readonly evaluations: readonly EvaluationRecord[];
}

/** All that the next step depends on. */
export interface TuneState extends Progress {
  /** The parameters' weights after the best evaluation so far, in their order. */
  readonly best: readonly Numbers[];
}

/** What {@linkcode tune} takes. */
export interface TuneOptions {
  /** Where it is computed. */
  readonly backend: Backend;
  /** The model's specification. */
  readonly spec: ModelSpec;
  /** What of the model is trained. */
  readonly trainee: Trainee;
  /** The windows of each step, one after the other; a step's own depend on its number, from 0 on, alone. */
  readonly windowsOf: (step: number) => Batch;
  /** What is held out. */
  readonly heldOut: Batch;
  /** Learning rates; its steps are how many are taken. */
  readonly schedule: RateSchedule;
  /** AdamW's, and the norm that gradients are clipped to. */
  readonly optimizer: OptimizerOptions;
  /** Sequences that go through the model together: gradients of several such add up to a step's. */
  readonly microBatch: number;
  /** Steps between two evaluations; one comes before the first step and one after the last in any case. */
  readonly evalEvery: number;
  /** After so many steps no other is begun, though the schedule has more. */
  readonly mostSteps?: number;
  /** After so many seconds no step is begun. */
  readonly mostSeconds?: number;
  /** Where to go on; the parameters are in that state already. */
  readonly from?: TuneState;
  /** How hidden states are held. */
  readonly spool?: SpoolOptions;
  /** Bytes of what blocks' operations need on the way back that are kept on the way forward, instead of walking again. */
  readonly records?: number;
  /** Stops it between two batches. */
  readonly signal?: AbortSignal;
  /** Told of every step, and the seconds of the training until then. */
  readonly onStep?: (record: StepRecord, seconds: number) => void;
  /** The same of every evaluation. */
  readonly onEvaluation?: (record: EvaluationRecord, seconds: number) => void;
  /** Told of every state that may be gone on with: after every evaluation, and where the signal stops it. */
  readonly onState?: (state: TuneState) => Promise<void>;
}

/** What came of it. */
export interface Tuned extends TuneState {
  /** The evaluation whose state is the best. */
  readonly bestEvaluation: EvaluationRecord;
  /** Why it ended before its last step, if it did. */
  readonly ended?: { readonly why: "time" } | { readonly why: "loss"; readonly step: number; readonly loss: number };
}

/** The mean loss of windows, as many of them at a time as fit; of those of a step gradients are added up. */
async function meanLoss(windows: Batch, options: TuneOptions, step?: number): Promise<number> {
  const { backend, spec, trainee, microBatch, spool, records, signal } = options, backward = step !== undefined;
  const { checkpoint, source, trains, gradients, operations } = trainee;
  const count = countSequences(windows), losses = windows.ids.length - count;
  let loss = 0;
  for (let first = 0; first < count; first += microBatch) {
    const part = sequencesOf(windows, first, Math.min(count, first + microBatch));
    trainee.begin(backward ? [step, first] : undefined);
    const found = await lossGradients(part, {
      ...{ checkpoint, backend, spec, source, losses, operations, spool, signal },
      ...backward && { gradients, trains, records },
    });
    if (backward) trainee.collect();
    loss += found.loss;
  }
  return loss;
}

/**
 * Trains.
 * @throws PareError if the loss on what is held out is no number before anything was trained, or the signal stops it.
 */
export async function tune(options: TuneOptions): Promise<Tuned> {
  const { backend, trainee, windowsOf, heldOut, schedule, optimizer, evalEvery, signal, from } = options;
  const { mostSeconds = Infinity, mostSteps = Infinity } = options, { parameters } = trainee;
  const began = performance.now() - 1000 * (from?.seconds ?? 0), seconds = () => (performance.now() - began) / 1000;
  const steps = [...from?.steps ?? []], evaluations = [...from?.evaluations ?? []];
  let best = from?.best ?? [], step = from?.step ?? 0, saved = step;
  const bestEvaluation = () => evaluations.reduce((a, b) => b.loss < a.loss ? b : a);
  const state = (): TuneState => ({ step, seconds: seconds(), steps: [...steps], evaluations: [...evaluations], best });
  const save = async () => {
    saved = step;
    await options.onState?.(state());
  };
  const evaluate = async (): Promise<void> => {
    const record = { step, loss: await meanLoss(heldOut, options) };
    if (!step && !Number.isFinite(record.loss)) {
      throw new PareError(
        `the loss on the held-out text is ${record.loss} before the first step: the model is damaged`,
      );
    }
    evaluations.push(record);
    if (bestEvaluation() === record) best = parameters.map(({ weight }) => weight.slice());
    options.onEvaluation?.(record, seconds());
    await save();
  };

  trainee.refresh();
  if (!from) await evaluate();
  let ended: Tuned["ended"];
  try {
    while (step < Math.min(schedule.steps, mostSteps)) {
      // Here, not behind the step: a run may have been stopped between the two.
      if (step % evalEvery === 0 && evaluations.at(-1)!.step < step) await evaluate();
      if (seconds() >= mostSeconds) {
        ended = { why: "time" };
        break;
      }
      const rate = rateAt(schedule, step), loss = await meanLoss(windowsOf(step), options, step);
      const norm = await gradientNorm(backend, parameters);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        ended = { why: "loss", step: step + 1, loss };
        break;
      }
      await takeStep(backend, parameters, optimizer, { norm, rate, step: step + 1 });
      step++;
      const record = { step, loss, rate, norm };
      steps.push(record);
      options.onStep?.(record, seconds());
      trainee.refresh();
    }
    if (evaluations.at(-1)!.step < step && ended?.why !== "loss") await evaluate();
  } catch (error) {
    // A step that was stopped half way has moved nothing yet; what was gathered of its gradients is let go of.
    if (signal?.aborted && step > saved) await options.onState?.(state());
    throw error;
  }
  return { ...state(), bestEvaluation: bestEvaluation(), ...ended && { ended } };
}

/** Some windows of a batch of windows of one length, in this order. */
export function windowsAt({ ids }: Batch, length: number, order: Uint32Array): Batch {
  const own = new Uint32Array(order.length * length);
  order.forEach((window, at) => own.set(ids.subarray(window * length, (window + 1) * length), at * length));
  return rectangle(own, length);
}
