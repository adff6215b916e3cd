/** `finetune --mode lora|full`: steps of AdamW on the language-modelling loss, the best state kept. */
import {
  LoraAdapters,
  readPeft,
  restoreState,
  stateTensors,
  type Trainee,
  tune,
  WholeModel,
  windowsAt,
  writeTuned,
} from "../../src/mod.ts";
import type { FinetuneValues } from "../../src/cli/finetune_command.ts";
import { WindowOrder } from "../../src/text/packed.ts";
import type { Prepared } from "./prepared.ts";
import { States } from "./states.ts";
import { curve, summary, trainingLines } from "./text.ts";
import type { Work } from "./work.ts";
import { writeAdapter, writeModel } from "./written.ts";

/** What is trained. */
async function openTrainee(task: Prepared, values: FinetuneValues): Promise<Trainee> {
  const { backend, checkpoint, spec, linears, masks } = task, mask = (linear: string) => masks.get(linear);
  const { rank, alpha, dropout, seed, unmasked } = values;
  if (values.mode === "full") {
    return await WholeModel.open(backend, checkpoint, spec, mask, { dtype: task.dtype, seed });
  }
  // Kept inside the masks, unless that is not wanted.
  using made = new DisposableStack();
  const adapters = made.use(
    new LoraAdapters(backend, checkpoint, linears, {
      ...{ rank, alpha, dropout, seed },
      mask: unmasked ? () => undefined : mask,
    }),
  );
  if (values.start !== undefined) await readPeft(values.start, adapters);
  made.move(); // they are the caller's
  return adapters;
}

/** Opens what is trained. */
export async function openTraining(task: Prepared, values: FinetuneValues): Promise<Work> {
  const { checkpoint, backend, spec, text, masks, microBatch, steps, spool, records } = task;
  const trainee = await openTrainee(task, values);
  return {
    lines: trainingLines(task, trainee, values),
    [Symbol.dispose]: () => trainee[Symbol.dispose](),
    async run({ writer, recorder, manifest, context }) {
      const { terminal, signal, syncDirectory } = context;
      const states = new States(writer), from = values.resume ? await states.last() : undefined;
      if (values.resume) terminal.note(from ? `going on after step ${from.step}` : "nothing to go on with");
      const best = from && await restoreState(from.path, trainee.parameters);
      const order = new WindowOrder(text.windows, values.batch, values.seed);
      const { rate: peak, warmup, decay, beta1, beta2, epsilon, weightDecay, clip, evalEvery, hours } = values;
      const tuned = await tune({
        ...{ backend, spec, trainee, microBatch, evalEvery, spool, records, signal, heldOut: text.heldOut },
        windowsOf: (step) => windowsAt(text.train, text.length, order.of(step)),
        schedule: { peak, warmup, steps, decay },
        optimizer: { beta1, beta2, epsilon, decay: weightDecay, clip },
        mostSeconds: hours * 3600,
        from: from && { ...from, best: best! },
        onStep: (record, seconds) => {
          const { step, loss } = record;
          recorder.curve({ kind: "step", ...record, seconds });
          const tokens = values.batch * text.length, done = step * tokens, total = steps * tokens;
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
      if (trainee instanceof LoraAdapters) await writeAdapter(task, trainee, values, manifest, syncDirectory);
      const { zeros } = await writeTuned({
        ...{ backend, checkpoint, spec, trainee, masks },
        write: (name, bytes) => writer.write(name, bytes),
      });
      const { evaluations, bestEvaluation, seconds, ended } = tuned, [before] = evaluations;
      const told = { before, best: bestEvaluation, steps: tuned.steps.length, unit: "steps" } as const;
      const written = await writeModel(task, writer, manifest, told, {
        ...{ steps: tuned.steps, evaluations, best: bestEvaluation },
        ...ended && { ended },
      });
      return {
        ...{ seconds, before, best: bestEvaluation, zeros, manifest: written },
        lines: [curve(tuned), ...summary(task, { ...told, zeros, seconds, overtime: ended?.why === "time" }, values)],
        json: { adapter: values.adapter, steps: tuned.steps, evaluations, best: bestEvaluation, ...ended && { ended } },
        ...ended?.why === "loss" && {
          problems: [
            `the loss of step ${ended.step} is ${ended.loss}: training ended there, and what was best before is in ` +
            `${values.out}; expected a lower --rate`,
          ],
        },
      };
    },
  };
}
