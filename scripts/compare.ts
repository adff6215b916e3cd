/** `deno task compare`: several methods on one model, what each costs, as a table and as plots. */
import { cpuUsage } from "node:process";
import { compareCommand, TUNED_BY, type TunedBy } from "../src/cli/compare_command.ts";
import type { Position } from "../src/cli/progress.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import {
  allocate,
  type Answers,
  type BlockStatistic,
  blockStatistics,
  type Calibration,
  calibrationSequences,
  checkPermutable,
  type Checkpoint,
  chooseTargets,
  createWriter,
  evaluationWindows,
  filesOf,
  loadTokenizer,
  logged,
  observeFirst,
  openBackend,
  openCheckpoint,
  type Progress,
  prune,
  readSpec,
  reconstructionRate,
  release,
  reserve,
  type Result,
  tensorNames,
} from "../src/mod.ts";
import { headline, show, titleOf } from "../src/report/benchmarks.ts";
import { type Comparison, type Row, samplePoint } from "../src/report/results.ts";
import { benchmarkOf, refuseChangedData, taskRecords } from "../src/run/benchmarks.ts";
import { corpusOf, describeRun } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { fileName } from "../src/run/manifest.ts";
import { Recorder } from "../src/run/recorder.ts";
import { packWindows } from "../src/text/packed.ts";
import { type Asked, differenceOf, measureAt, type Measured, withMean, type Yardstick } from "./compare/measure.ts";
import {
  budgetOf,
  enter,
  type Given,
  isCalibrated,
  type Job,
  observes,
  resolveRequest,
  solvesOf,
} from "./compare/request.ts";
import { tell, write } from "./compare/text.ts";
import { describeBudget, train } from "./compare/tuned.ts";
import { encodeFor, examOf } from "./shared/exam.ts";
import { blockPosition, defaultSeqlen } from "./shared/common.ts";

/** Where what every model said of every question stands, beside the tables. */
const SAMPLES_FILE = "tasks.jsonl";

/** Windows of the training text that are held out: what is best on them is measured. */
const HELD_OUT = 8;

/** What pruning a model took. */
type Cost = Pick<Row, "metricSeconds" | "seconds" | "cpuSeconds" | "peakBytes">;

/** Seconds that the threads of this process have computed since. */
function cpuSince(before: ReturnType<typeof cpuUsage>): number {
  const { user, system } = cpuUsage(before);
  return (user + system) / 1e6; // from microseconds
}

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

  let peakBytes = 0;
  const pass = (label: string) => ({
    backend,
    signal,
    spool: { always: values.spool !== undefined, file: values.spoolFile },
    onProgress: (progress: Progress) => {
      const { phase, block, blocks, tokens, totalTokens } = progress;
      peakBytes = Math.max(peakBytes, Deno.memoryUsage().rss);
      recorder.progress({ phase: `${label}, ${phase}`, block, blocks, done: tokens, total: totalTokens });
      terminal.progress(blockPosition(progress, label));
    },
  });
  const score = (label: string, model: string | Checkpoint, yardstick: Yardstick = { windows, exam }) =>
    measureAt(model, yardstick, (what) => pass(`${label}, ${what}`));
  const draw = (samples: number | undefined, seed: number): Promise<Calibration> =>
    calibrationSequences(values.calibration, { ...text, samples, seqlen: values.seqlen, seed });

  /** Trains the pruned model that stands there, and measures what came of it. */
  const tunedRow = async (by: TunedBy, of: string, { name, asked }: Pick<Job, "name" | "asked">): Promise<Row> => {
    const label = `${of}, ${by}`;
    await using pruned = await openCheckpoint(place.passing);
    const cpu = cpuUsage();
    peakBytes = 0;
    const { tuned, seconds } = await train(by, {
      ...{ backend, dense: checkpoint, pruned, text: trainingText!, budget: budget!, signal, spool: pass(label).spool },
      onProgress: (done, total) => {
        peakBytes = Math.max(peakBytes, Deno.memoryUsage().rss);
        recorder.progress({ phase: label, block: 0, blocks: 0, done, total });
        terminal.progress({ label, short: by, done, total, unit: "tokens" });
      },
    });
    const cost = { seconds, cpuSeconds: cpuSince(cpu), peakBytes: peakBytes || Deno.memoryUsage().rss };
    return await rowOf(label, { method: `${name}, ${TUNED_BY[by]}`, asked }, await score(label, tuned), cost);
  };

  /** Prunes, evaluates and removes a model for each job, all on one observation of the first block. */
  const runAll = async (
    jobs: readonly Job[],
    calibration: Calibration | undefined,
    { note = "", yardstick }: { readonly note?: string; readonly yardstick?: Yardstick } = {},
  ): Promise<Row[]> => {
    const grams = jobs.some(({ method }) => method.statistic === "gram"), rows: Row[] = [];
    using first = calibration && await observeFirst({ ...pass("all"), checkpoint, calibration }, grams);
    const known = new Map<
      BlockStatistic | undefined,
      { statistics: readonly number[]; seconds: number; cpu: number }
    >();
    for (const statistic of new Set(jobs.flatMap(({ allocation }) => allocation.statistic ?? []))) {
      const begun = performance.now(),
        before = cpuUsage(),
        options = { ...pass(statistic), checkpoint, calibration: calibration!, statistic };
      const statistics = await blockStatistics(options);
      known.set(statistic, { statistics, seconds: (performance.now() - begun) / 1000, cpu: cpuSince(before) });
    }
    for (const job of jobs) {
      const { name, method, allocation, asked, request, solve, permute, epochs } = job;
      const dense = known.get(allocation.statistic);
      const label = `${name} ${asked}${note}`, start = performance.now(), cpu = cpuUsage();
      peakBytes = 0;
      {
        await using writer = await createWriter(checkpoint, place.passing, { model: tensorNames(spec) });
        signal.addEventListener("abort", () => writer.abort());
        const reports = await prune({
          ...pass(label),
          checkpoint,
          method,
          request: allocate(allocation, targets, request, dense?.statistics),
          solve,
          permute,
          ...epochs !== undefined && { reconstruct: { epochs, rate: reconstructionRate(spec.hidden) } },
          calibration: observes(job) ? calibration : undefined,
          first,
          readBack: (name) => writer.read(name),
          write: async (name, bytes) => {
            await writer.write(name, bytes);
            release(bytes);
          },
        });
        const seconds = (performance.now() - start) / 1000 + (dense?.seconds ?? 0);
        const cpuSeconds = cpuSince(cpu) + (dense?.cpu ?? 0);
        const pruningPeak = peakBytes || Deno.memoryUsage().rss;
        await writer.finish();
        const measured = await score(label, place.passing, yardstick);
        const metricSeconds = reports.reduce((sum, report) => sum + report.seconds, 0);
        rows.push(
          await rowOf(label, { method: name, asked }, measured, {
            metricSeconds,
            seconds,
            cpuSeconds,
            peakBytes: pruningPeak,
          }),
        );
        for (const by of yardstick ? [] : budget?.by ?? []) rows.push(await tunedRow(by, label, { name, asked }));
        await Deno.remove(place.passing, { recursive: true });
      }
    }
    return rows;
  };

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
  let ofDense: Answers["documents"] | undefined;
  /** What a model differs by from the dense one, which answers first. */
  const toDense = (documents: Answers["documents"], results: readonly Result[]): Row["toDense"] => {
    const first = ofDense, found = first && differenceOf(results, first, documents);
    ofDense ??= documents;
    return found && { value: found.difference, ...found.error !== undefined && { error: found.error } };
  };
  /** Says and records what was found of a model, and makes a row of it. */
  const rowOf = async (
    label: string,
    which: Pick<Row, "method" | "asked">,
    { documents, ...found }: Measured,
    cost?: Cost,
  ): Promise<Row> => {
    const { perplexity, sparsity } = found, difference = documents && toDense(documents, found.results!);
    const row: Row = { ...which, ...found, ...difference && { toDense: difference }, ...cost };
    const benchmark = headline(row);
    const said = [
      ...perplexity === undefined ? [] : [`perplexity ${perplexity.toFixed(2)}`],
      ...benchmark ? [`${titleOf(benchmark)} accuracy ${show("acc", benchmark.figures.acc)} %`] : [],
    ];
    terminal.note(`${label}: ${said.join(", ")}`);
    if (perplexity !== undefined) {
      recorder.perplexity({ label, perplexity, evaluation: evaluation!, sparsity, ...cost && { cost } });
    }
    if (documents && exam) {
      for (const each of taskRecords(exam.questions, { documents, results: found.results!, sparsity }, label)) {
        recorder.task(each.record, each.documents);
      }
      for (const { task: { name } } of exam.questions) {
        const lines = documents(name).map((document) => `${JSON.stringify({ ...which, ...logged(document) })}\n`);
        await Deno.writeTextFile(`${place.partial}/${SAMPLES_FILE}`, lines.join(""), { append: true });
      }
    }
    return row;
  };
  try {
    const dense = await rowOf("dense", { method: "dense", asked: "" }, await score("dense", values.model));
    const rows = await runAll(jobs, calibration);

    // The same by the number of sequences, at the first sparsity; the table's own run is one of its points.
    const figured = numbers.length > 1 || values.seeds.length > 1;
    const few = calibrated.filter(({ asked }) => asked === values.sparsities[0]);
    const found = new Map<string, number[]>();
    for (const samples of figured && few.length ? numbers : []) {
      for (const each of values.seeds) {
        const own = samples === numbers.at(-1) && each === seed;
        const note = `, ${samples} samples, seed ${each}`;
        const results = own ? rows : await runAll(few, await draw(samples, each), { note, yardstick: { windows } });
        for (const { name, asked } of few) {
          const { perplexity } = results.find((row) => row.method === name && row.asked === asked)!;
          const key = JSON.stringify([name, samples]);
          found.set(key, [...found.get(key) ?? [], perplexity!]);
        }
      }
    }
    const points = few.flatMap(({ name }) =>
      numbers.flatMap((samples) => {
        const perplexities = found.get(JSON.stringify([name, samples]));
        return perplexities ? [samplePoint(name, samples!, perplexities)] : [];
      })
    );

    const comparison: Comparison = {
      model: manifest.plan.model.name,
      ...evaluation && { evaluation },
      ...calibratedOn && { calibration: calibratedOn },
      ...budget && { finetune: describeBudget(budget, trainingText!) },
      ...exam && { data: filesOf(exam).map(({ path, sha256 }) => ({ name: fileName(path), sha256 })) },
      rows: [dense, ...rows],
      ...points.length && { samples: { asked: values.sparsities[0], seeds: values.seeds, points } },
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
