/** `deno task compare`: several methods on one model, what each costs, as a table and as plots. */
import { compareCommand } from "../src/cli/compare_command.ts";
import type { Position } from "../src/cli/progress.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import {
  type Calibration,
  calibrationSequences,
  checkPermutable,
  chooseTargets,
  evaluationWindows,
  filesOf,
  loadTokenizer,
  openBackend,
  openCheckpoint,
  readSpec,
  reserve,
} from "../src/mod.ts";
import type { Comparison } from "../src/report/results.ts";
import { benchmarkOf, refuseChangedData } from "../src/run/benchmarks.ts";
import { corpusOf, describeRun } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { fileName } from "../src/run/manifest.ts";
import { ComparePasses } from "../src/run/pass/compare.ts";
import { isCalibrated } from "../src/run/pass/job.ts";
import { describeBudget } from "../src/run/pass/tuned.ts";
import { type Asked, withMean } from "../src/run/pass/yardstick.ts";
import { Recorder } from "../src/run/recorder.ts";
import { packWindows } from "../src/text/packed.ts";
import { budgetOf, enter, type Given, resolveRequest, solvesOf } from "./compare/request.ts";
import { tell, write } from "./compare/text.ts";
import { encodeFor, examOf } from "./shared/exam.ts";
import { defaultSeqlen } from "./shared/common.ts";

/** Windows of the training text that are held out: what is best on them is measured. */
const HELD_OUT = 8;

/** What of benchmarks stands in a request. */
const requestOf = ({ longest, groups }: Asked) => ({ longest, groups: groups.map(({ name }) => name) });

/** The comparison itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, begun = performance.now();
  const { jobs, left } = resolveRequest(values);
  await using checkpoint = await openCheckpoint(values.model);
  const spec = readSpec(checkpoint);
  for (const { request, permute } of jobs) {
    const targets = chooseTargets(spec, request);
    if (permute) checkPermutable(spec, targets, request);
  }
  const targets = chooseTargets(spec, jobs[0].request);
  const place = reserve(
    values.out,
    [checkpoint.path, ...checkpoint.sources],
    values.force,
    false,
    context.syncDirectory,
  );
  for (const line of [...left, ...values.replaces ? [values.replaces] : []]) terminal.note(line);
  using _place = { [Symbol.dispose]: () => place.abort() };
  const text = {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: spec.vocabulary,
    defaultSeqlen: defaultSeqlen(spec),
  };
  const windows = values.corpus === undefined ? undefined : await evaluationWindows(values.corpus, {
    ...text,
    seqlen: values.evalSeqlen,
    windows: values.windows,
  });
  const read = values.tasks === undefined ? undefined : await examOf(values);
  if (read && !values.force) refuseChangedData(values.registry, filesOf(read));
  const onEncoded = (position: Position) => terminal.progress(position);
  const exam = read &&
    { ...withMean(read), ...await encodeFor(read, checkpoint, values.evalSeqlen, { signal, show: onEncoded }) };
  await using backend = await openBackend(values.backend, { workers: values.workers });
  terminal.note(`backend: ${backend.name} (${backend.description})`);

  const draw = (samples: number | undefined, seed: number): Promise<Calibration> =>
    calibrationSequences(values.calibration, { ...text, samples, seqlen: values.seqlen, seed });

  const budget = budgetOf(values, spec.maxLength);
  const trainingText = budget && await packWindows(values.calibration, {
    ...text,
    ...{ seqlen: budget.seqlen, windows: budget.steps * budget.batch, heldOut: HELD_OUT },
  });
  const calibrated = jobs.filter(isCalibrated);
  const numbers: readonly (number | undefined)[] = values.samples ?? [undefined], [seed] = values.seeds;
  const calibration = calibrated.length ? await draw(numbers.at(-1), seed) : undefined;
  const { methods, sparsities, seeds } = values;
  const manifest = await describeRun({
    kind: "compare",
    checkpoint,
    backend,
    files: [...values.files!, ...exam ? filesOf(exam) : []],
    request: {
      methods,
      sparsities,
      samples: values.samples ?? null,
      seeds,
      ...solvesOf(jobs),
      ...budget && { finetune: { ...budget, text: trainingText!.sha256 } },
      ...exam && requestOf(exam),
    },
    calibration: calibration && corpusOf(calibration),
    evaluation: windows && corpusOf(windows),
    tasks: exam?.questions.map(benchmarkOf),
  }, context.args);
  const { evaluation, calibration: calibratedOn } = manifest.plan;
  using recorder = Recorder.begin(values.registry, manifest, { out: values.out, labels: labelsOf(values) });
  const spool = { always: values.spool !== undefined, file: values.spoolFile }, yardstick = { windows, exam };
  const training = budget && { budget, text: trainingText! };
  const passes = new ComparePasses(
    {
      checkpoint,
      spec,
      backend,
      targets,
      place,
      spool,
      yardstick,
      decode: values.decode,
      evaluation,
      recorder,
      training,
    },
    context,
  );
  try {
    const dense = await passes.dense(values.model), rows = await passes.run(jobs, calibration);
    // The same by the number of sequences, at the first sparsity.
    const figured = numbers.length > 1 || seeds.length > 1;
    const few = figured ? calibrated.filter(({ asked }) => asked === sparsities[0]) : [];
    const own = { rows, samples: numbers.at(-1), seed };
    const points = await passes.bySamples(few, own, { samples: numbers, seeds }, draw);
    const comparison: Comparison = {
      model: manifest.plan.model.name,
      ...evaluation && { evaluation },
      ...calibratedOn && { calibration: calibratedOn },
      ...budget && { finetune: describeBudget(budget, trainingText!) },
      ...exam && { data: filesOf(exam).map(({ path, sha256 }) => ({ name: fileName(path), sha256 })) },
      rows: [dense, ...rows],
      ...points.length && { samples: { asked: sparsities[0], seeds, points } },
    };
    await write(comparison, place.partial);
    const written = [...Deno.readDirSync(place.partial)].map(({ name }) => name).sort();
    await place.commit();
    recorder.finish({ compare: (performance.now() - begun) / 1000 }, await context.peakMemory());
    return {
      text: `${tell(comparison)}\n\n${values.out}: ${written.join(", ")}`,
      json: {
        ...comparison,
        run: recorder.id,
        out: values.out,
        backend: { name: backend.name, description: backend.description },
      },
    };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}

/** What `pare compare` runs. */
export const program = [compareCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
