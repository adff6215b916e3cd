/** `deno task finetune`: reads the flags, trains what is left of a pruned model, prints what came of it. */
import { completeFlags, finetuneCommand } from "../src/cli/finetune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes } from "../src/cli/units.ts";
import { createWriter, sweep, tensorNames } from "../src/mod.ts";
import { labelsOf } from "../src/run/labels.ts";
import { runTraining } from "../src/run/pass/finetune.ts";
import { runReconstruction } from "../src/run/pass/reconstruct.ts";
import { Recorder } from "../src/run/recorder.ts";
import { describe, enter, type Given, prepare } from "./finetune/prepared.ts";
import { aboutTraining, problemsOf, summary } from "./finetune/text.ts";
import { isDone } from "./shared/written.ts";

/** The run itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, values = completeFlags(given), { out } = values, { staged } = given;
  await using task = await prepare(given, values, context);
  const { checkpoint, backend, spec, masks } = task;
  const lines = [...aboutTraining(task, values), ...given.replaces ?? []];
  const manifest = await describe(task, given, values, context), { plan, planId } = manifest;
  const json = { model: checkpoint.path, ...plan.request, calibration: plan.calibration, backend: backend.name };
  if (values.dryRun) return { text: lines.join("\n"), json: { ...json, runPlan: plan } };
  const labels = labelsOf(values);
  if (!values.force && await isDone(out!, staged, planId, Recorder.done(given.registry, manifest))) {
    Recorder.label(given.registry, planId, labels);
    sweep(staged?.staging ?? out!);
    return {
      text: `${out}: holds what this run would write, plan ${planId}; --force computes it again`,
      json: { ...json, run: planId, out, done: true },
    };
  }
  for (const line of lines) terminal.note(line);

  await using writer = await createWriter(checkpoint, staged?.staging ?? out!, {
    force: values.force,
    sink: context.sink,
    plan: planId,
    resume: values.resume,
    model: tensorNames(spec),
    syncParent: context.syncDirectory,
  });
  using recorder = Recorder.begin(given.registry, manifest, { out, resumes: values.resume, labels });
  try {
    const ends = { manifest, writer, recorder };
    const trained = task.teacher
      ? await runReconstruction({ ...task, ...ends }, context)
      : await runTraining({ ...task, ...ends }, context);
    const peakBytes = await context.peakMemory(), evaluation = plan.evaluation!, { adapter } = values;
    const { steps, reconstructions, evaluations, best, ended, zeros, seconds } = trained;
    const measured = ({ loss }: { readonly loss: number }, removed: number) => {
      return { perplexity: Math.exp(loss), evaluation, sparsity: removed / masks.weights };
    };
    const perplexities = [
      { label: "pruned", ...measured(evaluations[0], masks.removed) },
      { label: "tuned", ...measured(best, zeros) },
    ];
    for (const record of perplexities) recorder.perplexity(record);
    recorder.finish({ train: seconds }, peakBytes, { manifest: trained.manifest });
    return {
      text: [
        summary(task, trained, values).join("\n"),
        `${out}: written, peak memory ${showBytes(peakBytes)}; run ${recorder.id}`,
      ].join("\n\n"),
      json: {
        ...json,
        ...{ run: recorder.id, out, adapter, steps, reconstructions, evaluations, best, ended, perplexities },
        ...{ zeros, weights: masks.weights, seconds, peakBytes },
        operations: await backend.seconds(),
      },
      problems: problemsOf(trained, values),
    };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}

/** What `pare finetune` runs. */
export const program = [finetuneCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
