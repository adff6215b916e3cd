/** `deno task eval`: perplexity of a model, beside what it means nothing without, and its answers to benchmarks. */
import { evalCommand } from "../src/cli/eval_command.ts";
import type { Position } from "../src/cli/progress.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { evaluationWindows, filesOf, loadTokenizer, openBackend, openCheckpoint, readSpec } from "../src/mod.ts";
import { benchmarkOf, refuseChangedData } from "../src/run/benchmarks.ts";
import { addToCard } from "../src/run/card_figures.ts";
import { corpusOf, describeRun } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import { runEvaluation } from "../src/run/pass/evaluate.ts";
import { Recorder } from "../src/run/recorder.ts";
import { enter, type Given } from "./eval/request.ts";
import { tell } from "./eval/text.ts";
import { encodeFor, examOf } from "./shared/exam.ts";
import { defaultSeqlen } from "./shared/common.ts";
import { logSamples } from "./shared/tasks.ts";
import { evaluatedPlan, expandPlans } from "./shared/plans.ts";

/** The evaluation itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  // What is wrong with the data is said before hours of work.
  const exam = values.tasks === undefined ? undefined : await examOf(values);
  await using checkpoint = await openCheckpoint(values.model, values.remote);
  const spec = readSpec(checkpoint), longest = Math.min(spec.maxLength, values.seqlen ?? spec.maxLength);
  const windows = values.corpus === undefined ? undefined : await evaluationWindows(values.corpus, {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: spec.vocabulary,
    seqlen: values.seqlen,
    defaultSeqlen: defaultSeqlen(spec),
    windows: values.windows,
  });
  await using backend = await openBackend(values.backend, { workers: values.workers });
  context.terminal.note(`backend: ${backend.name} (${backend.description})`);
  const data = exam ? filesOf(exam) : [];
  if (!values.force) refuseChangedData(values.registry, data);
  const manifest = await describeRun(
    {
      kind: "eval",
      checkpoint,
      backend,
      files: [...values.corpusFile === undefined ? [] : [values.corpusFile], ...data],
      request: exam ? { longest, groups: exam.groups.map(({ name }) => name) } : {},
      evaluation: windows && corpusOf(windows),
      tasks: exam?.questions.map(benchmarkOf),
    },
    context.args,
  );
  const pruned = await checkpoint.readText(MANIFEST_FILE);
  const base = pruned === undefined ? undefined : parseManifest(pruned, MANIFEST_FILE);
  const known = values.force
    ? undefined
    : Recorder.evaluated(values.registry, manifest, values.logSamples !== undefined);
  if (known) Recorder.label(values.registry, manifest.planId, labelsOf(values));
  const { signal, terminal } = context, show = (position: Position) => terminal.progress(position);
  const found = known ?? await runEvaluation({
    checkpoint,
    backend,
    spool: { always: values.spool !== undefined, file: values.spoolFile },
    yardstick: {
      windows,
      exam: exam && { ...exam, ...await encodeFor(exam, checkpoint, values.seqlen, { signal, show }) },
    },
    manifest,
    base,
    registry: values.registry,
    labels: labelsOf(values),
  }, context);
  if (exam && values.logSamples) logSamples(values.logSamples, exam.questions, found.documents);
  if (values.card) {
    const dense = Recorder.measured(values.registry, base!.plan.model.sha256, found);
    await addToCard(checkpoint.path, found, dense);
  }
  return tell(found, { checkpoint, backend, windows, limit: values.limit, longest, data });
}

/** What `pare eval` runs. */
export const program = [evalCommand, main, {
  module: import.meta.url,
  enter,
  expand: (args: readonly string[]) => expandPlans(args, evaluatedPlan),
}] as const;

if (import.meta.main) await run(...program);
