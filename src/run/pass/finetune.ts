/** The pass of `finetune` by steps with all that hears of it: AdamW on the language-modelling loss, the best state written. */
import {
  type Linear,
  LoraAdapters,
  type LoraOptions,
  type OptimizerOptions,
  type RateSchedule,
  readPeft,
  restoreState,
  stateTensors,
  type Trainee,
  tune,
  WholeModel,
  type WholeModelOptions,
  windowsAt,
  writeTuned,
} from "../../mod.ts";
import { WindowOrder } from "../../text/packed.ts";
import { States } from "./states.ts";
import { type AdapterOutput, type Trained, type TrainingPass, writeAdapter, writeModel } from "./trained.ts";
import type { Watcher } from "./watcher.ts";

/** Adapters that are trained instead of all weights. */
export interface Adapting extends Omit<LoraOptions, "mask" | "seed"> {
  readonly linears: readonly Linear[];
  /** Whether they may fill removed weights. */
  readonly unmasked?: boolean;
  /** Adapters to go on with: PEFT's directory of their first weights. */
  readonly start?: string;
}

/** Opens what is trained: all of a model, unless adapters are asked for. */
export async function openTrainee(
  { backend, checkpoint, spec, masks }: Pick<TrainingPass, "backend" | "checkpoint" | "spec" | "masks">,
  { lora, seed, dtype }: WholeModelOptions & { readonly lora?: Adapting; readonly seed: number },
): Promise<Trainee> {
  const mask = (linear: string) => masks.get(linear);
  if (!lora) return await WholeModel.open(backend, checkpoint, spec, mask, { dtype, seed });
  const { linears, unmasked, start, ...shape } = lora;
  using made = new DisposableStack();
  // Kept inside the masks, unless that is not wanted.
  const own = { ...shape, seed, mask: unmasked ? () => undefined : mask };
  const adapters = made.use(new LoraAdapters(backend, checkpoint, linears, own));
  if (start !== undefined) await readPeft(start, adapters);
  made.move(); // they are the caller's
  return adapters;
}

/** What is trained by steps, and how. */
export interface StepsPass extends TrainingPass {
  readonly trainee: Trainee;
  /** Windows of a step, those that go through the model together, and the seed of their order. */
  readonly batch: number;
  readonly microBatch: number;
  readonly seed: number;
  readonly schedule: RateSchedule;
  readonly optimizer: OptimizerOptions;
  /** As `tune` takes it. */
  readonly records?: number;
  /** Where adapters go beside the model. */
  readonly adapter?: AdapterOutput;
}

/** Runs the pass to the end: its output stands in its place then. */
export async function runTraining(task: StepsPass, { terminal, signal }: Watcher): Promise<Trained> {
  const { checkpoint, backend, spec, masks, text, trainee, batch, schedule, adapter, writer, recorder } = task;
  const states = new States(writer), from = task.resume ? await states.last() : undefined;
  if (task.resume) terminal.note(from ? `going on after step ${from.step}` : "nothing to go on with");
  const best = from && await restoreState(from.path, trainee.parameters);
  const order = new WindowOrder(text.windows, batch, task.seed);
  const tuned = await tune({
    ...task,
    signal,
    heldOut: text.heldOut,
    windowsOf: (step) => windowsAt(text.train, text.length, order.of(step)),
    from: from && { ...from, best: best! },
    onStep: (record, seconds) => {
      const { step, loss } = record, { steps } = schedule;
      recorder.curve({ kind: "step", ...record, seconds });
      const tokens = batch * text.length, done = step * tokens, total = steps * tokens;
      recorder.progress({ phase: "train", block: step - 1, blocks: steps, done, total });
      terminal.progress({
        label: `step ${step} of ${steps}`,
        short: `${step}/${steps}`,
        detail: `loss ${loss.toFixed(3)}`,
        ...{ done, total, unit: "tokens" },
      });
    },
    onEvaluation: ({ step, loss }, seconds) => {
      recorder.curve({ kind: "evaluation", step, perplexity: Math.exp(loss), seconds });
      terminal.note(`step ${step}: perplexity ${Math.exp(loss).toFixed(3)} on what is held out`);
    },
    onState: (state) => states.save(state, stateTensors(trainee.parameters, state.best)),
  });
  trainee.parameters.forEach(({ weight }, at) => weight.set(tuned.best[at]));
  if (adapter && trainee instanceof LoraAdapters) await writeAdapter(task, trainee, adapter);
  const { zeros } = await writeTuned({
    ...{ backend, checkpoint, spec, trainee, masks },
    write: (name, bytes) => writer.write(name, bytes),
  });
  const { steps, evaluations, bestEvaluation, ended, seconds } = tuned;
  return await writeModel(task, {
    ...{ unit: "steps", done: steps.length, steps, evaluations, best: bestEvaluation, ended, zeros, seconds },
  });
}
