/** `deno task finetune`: reads the flags, trains what is left of a pruned model, prints what came of it. */
import { completeFlags, finetuneCommand } from "../src/cli/finetune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes } from "../src/cli/units.ts";
import { createWriter, sweep, tensorNames } from "../src/mod.ts";
import { labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { describe, enter, type Given, prepare } from "./finetune/prepared.ts";
import { openReconstruction } from "./finetune/reconstruct.ts";
import { openTraining } from "./finetune/train.ts";
import { isDone } from "./shared/written.ts";

/** The run itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, values = completeFlags(given), { out } = values, { staged } = given;
  await using task = await prepare(given, values, context);
  const { checkpoint, backend, spec, masks } = task;
  const open = values.mode === "reconstruct" ? openReconstruction : openTraining;
  using work = await open(task, values);
  const lines = [...work.lines, ...given.replaces ?? []];
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
    const trained = await work.run({ writer, recorder, manifest, context }), peakBytes = await context.peakMemory();
    const { before, best, zeros, seconds, problems } = trained, evaluation = plan.evaluation!;
    const measured = ({ loss }: { readonly loss: number }, removed: number) => {
      return { perplexity: Math.exp(loss), evaluation, sparsity: removed / masks.weights };
    };
    const perplexities = [
      { label: "pruned", ...measured(before, masks.removed) },
      { label: "tuned", ...measured(best, zeros) },
    ];
    for (const record of perplexities) recorder.perplexity(record);
    recorder.finish({ train: seconds }, peakBytes, { manifest: trained.manifest });
    return {
      text: [
        trained.lines.join("\n"),
        `${out}: written, peak memory ${showBytes(peakBytes)}; run ${recorder.id}`,
      ].join("\n\n"),
      json: {
        ...json,
        ...{ run: recorder.id, out, ...trained.json, perplexities, zeros, weights: masks.weights, seconds, peakBytes },
        operations: await backend.seconds(),
      },
      ...problems && { problems },
    };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}

/** What `pare finetune` runs. */
export const program = [finetuneCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
