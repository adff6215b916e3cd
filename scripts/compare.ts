/** `deno task compare`: several methods on one model, what each costs, as a table and as plots. */
import { compareCommand } from "../src/cli/compare_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { table } from "../src/cli/table.ts";
import {
  type Calibration,
  calibrationSequences,
  chooseTargets,
  createWriter,
  evaluate,
  evaluationWindows,
  loadTokenizer,
  observeFirst,
  openBackend,
  openCheckpoint,
  outlierRatios,
  owlRequests,
  type Progress,
  prune,
  readSpec,
  release,
  reserve,
  tensorNames,
} from "../src/mod.ts";
import { plotSamples, plotSparsity } from "../src/report/plot.ts";
import { type Comparison, type Row, samplePoint } from "../src/report/results.ts";
import { captions, sampleTableOf, tableOf, toCsv, toMarkdown } from "../src/report/text.ts";
import { corpusOf, describeRun } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { enter, type Given, isCalibrated, type Job, understand } from "./compare_request.ts";
import { blockPosition, defaultSeqlen } from "./shared.ts";

/** What is told of each model. */
type Measured = Pick<Row, "perplexity" | "sparsity" | "metricSeconds" | "seconds" | "peakBytes">;

/** The comparison itself, in its sandbox. */
export async function main(values: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, begun = performance.now();
  const { jobs, solve } = understand(values);
  await using checkpoint = await openCheckpoint(values.model);
  const spec = readSpec(checkpoint);
  for (const { request } of jobs) chooseTargets(spec, request);
  const targets = chooseTargets(spec, jobs[0].request);
  const place = reserve(
    values.out,
    [checkpoint.path, ...checkpoint.sources],
    values.force,
    false,
    context.syncDirectory,
  );
  if (values.replaces) terminal.note(values.replaces);
  using _place = { [Symbol.dispose]: () => place.abort() };
  const text = {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: spec.vocabulary,
    defaultSeqlen: defaultSeqlen(spec),
  };
  const windows = await evaluationWindows(values.corpus!, {
    ...text,
    seqlen: values.evalSeqlen,
    windows: values.windows,
  });
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
  const score = async (label: string, path: string) => {
    await using pruned = await openCheckpoint(path);
    return await evaluate(windows, { ...pass(label), checkpoint: pruned });
  };
  const draw = (samples: number | undefined, seed: number): Promise<Calibration> =>
    calibrationSequences(values.calibration, { ...text, samples, seqlen: values.seqlen, seed });

  /** Prunes, evaluates and removes a model for each job, all on one observation of the first block. */
  const runAll = async (jobs: readonly Job[], calibration: Calibration | undefined, note: string): Promise<Row[]> => {
    const grams = jobs.some(({ method }) => method.statistic === "gram"), rows: Row[] = [];
    using first = calibration && await observeFirst({ ...pass("all"), checkpoint, calibration }, grams);
    const begun = performance.now();
    const ratios = jobs.some(({ owl }) => owl)
      ? await outlierRatios({ ...pass("outliers"), checkpoint, calibration: calibration! })
      : undefined;
    const outlierSeconds = (performance.now() - begun) / 1000;
    for (const { name, method, owl, asked, request } of jobs) {
      const label = `${name} ${asked}${note}`, start = performance.now();
      peakBytes = 0;
      {
        await using writer = await createWriter(checkpoint, place.passing, { model: tensorNames(spec) });
        signal.addEventListener("abort", () => writer.abort());
        const reports = await prune({
          ...pass(label),
          checkpoint,
          method,
          request: owl ? owlRequests(targets, request, ratios!) : request,
          solve,
          calibration: method.statistic === "none" ? undefined : calibration,
          first,
          readBack: (name) => writer.read(name),
          write: async (name, bytes) => {
            await writer.write(name, bytes);
            release(bytes);
          },
        });
        const seconds = (performance.now() - start) / 1000 + (owl ? outlierSeconds : 0);
        const pruningPeak = peakBytes || Deno.memoryUsage().rss;
        await writer.finish();
        const { perplexity, sparsity } = await score(`${label}, perplexity`, place.passing);
        await Deno.remove(place.passing, { recursive: true });
        const metricSeconds = reports.reduce((sum, report) => sum + report.seconds, 0);
        rows.push({ method: name, asked, sparsity, perplexity, metricSeconds, seconds, peakBytes: pruningPeak });
      }
      tell(label, rows.at(-1)!);
    }
    return rows;
  };

  const calibrated = jobs.filter(isCalibrated);
  const numbers: readonly (number | undefined)[] = values.samples ?? [undefined], [seed] = values.seeds;
  const calibration = calibrated.length ? await draw(numbers.at(-1), seed) : undefined;
  const { methods, sparsities, seeds } = values;
  const manifest = await describeRun({
    kind: "compare",
    checkpoint,
    backend,
    files: values.files!,
    request: { methods, sparsities, samples: values.samples ?? null, seeds, ...solve && { ...solve } },
    calibration: calibration && corpusOf(calibration),
    evaluation: corpusOf(windows),
  }, context.args);
  const { evaluation, calibration: calibratedOn } = manifest.plan;
  using recorder = Recorder.begin(values.registry, manifest, { out: values.out, labels: labelsOf(values) });
  const tell = (label: string, { perplexity, sparsity, ...cost }: Measured) => {
    terminal.note(`${label}: perplexity ${perplexity.toFixed(2)}`);
    const { metricSeconds, seconds, peakBytes } = cost, known = seconds !== undefined;
    recorder.perplexity({
      label,
      perplexity,
      evaluation: evaluation!,
      sparsity,
      ...known && { cost: { metricSeconds, seconds, peakBytes } },
    });
  };
  try {
    const dense = await score("dense, perplexity", values.model);
    tell("dense", dense);
    const rows = await runAll(jobs, calibration, "");

    // The same by the number of sequences, at the first sparsity; the table's own run is one of its points.
    const figured = numbers.length > 1 || values.seeds.length > 1;
    const few = calibrated.filter(({ asked }) => asked === values.sparsities[0]);
    const found = new Map<string, number[]>();
    for (const samples of figured && few.length ? numbers : []) {
      for (const each of values.seeds) {
        const own = samples === numbers.at(-1) && each === seed;
        const note = `, ${samples} samples, seed ${each}`;
        const results = own ? rows : await runAll(few, await draw(samples, each), note);
        for (const { name, asked } of few) {
          const { perplexity } = results.find((row) => row.method === name && row.asked === asked)!;
          const key = JSON.stringify([name, samples]);
          found.set(key, [...found.get(key) ?? [], perplexity]);
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
      evaluation: evaluation!,
      ...calibratedOn && { calibration: calibratedOn },
      rows: [{ method: "dense", asked: "", sparsity: dense.sparsity, perplexity: dense.perplexity }, ...rows],
      ...points.length && { samples: { asked: values.sparsities[0], seeds: values.seeds, points } },
    };
    const plots = { sparsity: "compare.svg", ...points.length && { samples: "samples.svg" } };
    const file = (name: string, content: string) => Deno.writeTextFile(`${place.partial}/${name}`, content);
    await file("compare.md", toMarkdown(comparison, plots));
    await file("compare.csv", toCsv(comparison));
    await file("compare.json", `${JSON.stringify(comparison, undefined, 2)}\n`);
    await file(plots.sparsity, plotSparsity(comparison));
    if (plots.samples) await file(plots.samples, plotSamples(points));
    await place.commit();
    recorder.finish({ compare: (performance.now() - begun) / 1000 }, await context.peakMemory());
    const shown = (part: ReturnType<typeof tableOf>) => table(part.heading, part.rows);
    return {
      text: [
        shown(tableOf(comparison)),
        ...points.length ? [shown(sampleTableOf(comparison))] : [],
        captions(comparison).join("\n"),
        `${values.out}: ${
          Object.values({ md: "compare.md", csv: "compare.csv", json: "compare.json", ...plots }).join(", ")
        }`,
      ].join("\n\n"),
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
