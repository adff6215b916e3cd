/** `deno task finetune`: reads the flags, trains what is left of a pruned model, prints what came of it. */
import { completeFlags, finetuneCommand } from "../src/cli/finetune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes } from "../src/cli/units.ts";
import { createWriter, sweep, tensorNames } from "../src/mod.ts";
import { WindowOrder } from "../src/text/packed.ts";
import { LoraAdapters } from "../src/tune/lora.ts";
import { restoreState, stateTensors } from "../src/tune/state.ts";
import { tune, windowsAt } from "../src/tune/tune.ts";
import { labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { describe, enter, type Given, openTrainee, prepare } from "./finetune/prepared.ts";
import { States } from "./finetune/states.ts";
import { curve, planLines, summary } from "./finetune/text.ts";
import { writeAdapter, writeModel } from "./finetune/written.ts";
import { isDone } from "./shared/written.ts";

/** The run itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, values = completeFlags(given), { out, hours } = values;
  await using task = await prepare(given, values, context);
  const { checkpoint, backend, spec, text, masks, microBatch, steps, spool } = task;
  using trainee = await openTrainee(task, values);
  const lines = [...planLines(task, trainee, values), ...given.replaces ?? []];
  const manifest = await describe(task, given, values, context), { plan, planId } = manifest;
  const json = { model: checkpoint.path, ...plan.request, calibration: plan.calibration, backend: backend.name };
  if (values.dryRun) return { text: lines.join("\n"), json: { ...json, runPlan: plan } };
  const labels = labelsOf(values);
  if (!values.force && await isDone(out!, planId, Recorder.done(given.registry, manifest))) {
    Recorder.label(given.registry, planId, labels);
    sweep(out!);
    return {
      text: `${out}: holds what this run would write, plan ${planId}; --force computes it again`,
      json: { ...json, run: planId, out, done: true },
    };
  }
  for (const line of lines) terminal.note(line);

  await using writer = await createWriter(checkpoint, out!, {
    force: values.force,
    plan: planId,
    resume: values.resume,
    model: tensorNames(spec),
    syncParent: context.syncDirectory,
  });
  const states = new States(writer), from = values.resume ? await states.last() : undefined;
  if (values.resume) terminal.note(from ? `going on after step ${from.step}` : "nothing to go on with");
  const best = from && await restoreState(from.path, trainee.parameters);
  using recorder = Recorder.begin(given.registry, manifest, { out, resumes: values.resume, labels });
  try {
    const order = new WindowOrder(text.windows, values.batch, values.seed);
    const { rate: peak, warmup, decay, beta1, beta2, epsilon, weightDecay, clip, evalEvery } = values;
    const tuned = await tune({
      ...{ backend, spec, trainee, microBatch, evalEvery, spool, signal, heldOut: text.heldOut },
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
    if (trainee instanceof LoraAdapters) {
      await writeAdapter(task, trainee, values, manifest, context.syncDirectory);
    }
    const written = await writeModel(task, trainee, writer, manifest, tuned), peakBytes = await context.peakMemory();
    const evaluation = plan.evaluation!;
    const [before] = tuned.evaluations, sparsity = masks.removed / masks.weights;
    const perplexities = [
      { label: "pruned", perplexity: Math.exp(before.loss), evaluation, sparsity },
      {
        label: "tuned",
        perplexity: Math.exp(tuned.bestEvaluation.loss),
        evaluation,
        sparsity: written.zeros / masks.weights,
      },
    ];
    for (const record of perplexities) recorder.perplexity(record);
    recorder.finish({ train: tuned.seconds }, peakBytes, written.manifest);
    const said = summary(task, tuned, written.zeros, values), { ended } = tuned;
    return {
      text: [
        [curve(tuned), ...said].join("\n"),
        `${out}: written, peak memory ${showBytes(peakBytes)}; run ${recorder.id}`,
      ].join("\n\n"),
      json: {
        ...json,
        ...{ run: recorder.id, out, adapter: values.adapter, steps: tuned.steps, evaluations: tuned.evaluations },
        ...{ best: tuned.bestEvaluation, perplexities, zeros: written.zeros, weights: masks.weights },
        ...{ seconds: tuned.seconds, peakBytes, ...ended && { ended }, operations: await backend.seconds() },
      },
      ...ended?.why === "loss" && {
        problems: [
          `the loss of step ${ended.step} is ${ended.loss}: training ended there, and what was best before is in ${out}; ` +
          "expected a lower --rate",
        ],
      },
    };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}

/** What `pare finetune` runs. */
export const program = [finetuneCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
