/** The passes of `compare` with all that hears of them: models pruned, measured, trained and removed one by one, a row each. */
import { cpuUsage } from "node:process";
import {
  allocate,
  type Answers,
  type Backend,
  type BlockStatistic,
  blockStatistics,
  type Calibration,
  type Checkpoint,
  createWriter,
  logged,
  type ModelSpec,
  observeFirst,
  type OnProgress,
  openCheckpoint,
  type Place,
  prune,
  reconstructionRate,
  release,
  type Result,
  type SpoolOptions,
  type Targets,
  tensorNames,
} from "../../mod.ts";
import { headline, show, titleOf } from "../../report/benchmarks.ts";
import { type Row, type SamplePoint, samplePoint } from "../../report/results.ts";
import { taskRecords } from "../benchmarks.ts";
import type { Corpus } from "../record.ts";
import type { Recorder } from "../recorder.ts";
import type { Packed } from "../../text/packed.ts";
import { decodeAt } from "./decode.ts";
import { type Job, observes } from "./job.ts";
import { type Budget, train, TUNED_BY, type TunedBy } from "./tuned.ts";
import { report, type Watcher } from "./watcher.ts";
import { differenceOf, measureAt, type Measured, type Yardstick } from "./yardstick.ts";

/** Where what every model said of every question stands, beside the tables. */
const SAMPLES_FILE = "tasks.jsonl";

/** What pruning a model took. */
type Cost = Pick<Row, "metricSeconds" | "seconds" | "cpuSeconds" | "peakBytes">;

/** Seconds that the threads of this process have computed since. */
function cpuSince(before: ReturnType<typeof cpuUsage>): number {
  const { user, system } = cpuUsage(before);
  return (user + system) / 1e6; // from microseconds
}

/** What is compared, on what, and who hears of it. */
export interface ComparePass {
  readonly checkpoint: Checkpoint;
  readonly spec: ModelSpec;
  readonly backend: Backend;
  readonly targets: Targets;
  /** Where a pruned model stands while it is measured. */
  readonly place: Place;
  readonly spool: SpoolOptions;
  /** What each model is measured by. */
  readonly yardstick: Yardstick;
  /** Whether each also writes text, packed. */
  readonly decode?: boolean;
  /** What a perplexity is of, as it is recorded. */
  readonly evaluation?: Corpus;
  readonly recorder: Recorder;
  /** What pruned models are trained by, and on what, if they are. */
  readonly training?: { readonly budget: Budget; readonly text: Packed };
}

/** What is the same for several jobs, and another than usual. */
export interface Variation {
  /** Stands behind a model's name. */
  readonly note?: string;
  readonly yardstick?: Yardstick;
}

/** See the file's head. */
export class ComparePasses {
  /** The most memory of the pass that is under way. */
  #peakBytes = 0;
  /** What the dense model answered, which is asked first. */
  #ofDense: Answers["documents"] | undefined;

  constructor(readonly all: ComparePass, readonly watcher: Watcher) {}

  /** Measures the dense model. */
  async dense(path: string): Promise<Row> {
    const measured = { ...await this.#score("dense", path), ...await this.#decode(path) };
    return await this.#row("dense", { method: "dense", asked: "" }, measured);
  }

  /** Prunes, evaluates and removes a model for each job, all on one observation of the first block. */
  async run(
    jobs: readonly Job[],
    calibration: Calibration | undefined,
    variation: Variation = {},
  ): Promise<Row[]> {
    const { checkpoint } = this.all, grams = jobs.some(({ method }) => method.statistic === "gram"), rows: Row[] = [];
    using first = calibration && await observeFirst({ ...this.#pass("all"), checkpoint, calibration }, grams);
    const known = new Map<
      BlockStatistic | undefined,
      { statistics: readonly number[]; seconds: number; cpu: number }
    >();
    for (const statistic of new Set(jobs.flatMap(({ allocation }) => allocation.statistic ?? []))) {
      const begun = performance.now(),
        before = cpuUsage(),
        options = { ...this.#pass(statistic), checkpoint, calibration: calibration!, statistic };
      const statistics = await blockStatistics(options);
      known.set(statistic, { statistics, seconds: (performance.now() - begun) / 1000, cpu: cpuSince(before) });
    }
    for (const job of jobs) {
      const dense = known.get(job.allocation.statistic);
      rows.push(...await this.#job(job, { calibration, first, dense }, variation));
    }
    return rows;
  }

  async #job(
    job: Job,
    { calibration, first, dense }: {
      readonly calibration: Calibration | undefined;
      readonly first: Awaited<ReturnType<typeof observeFirst>> | undefined;
      readonly dense?: { readonly statistics: readonly number[]; readonly seconds: number; readonly cpu: number };
    },
    { note = "", yardstick }: Variation,
  ): Promise<Row[]> {
    const { checkpoint, spec, targets, place, training } = this.all, { signal } = this.watcher;
    const { name, method, allocation, asked, request, solve, permute, epochs } = job;
    const label = `${name} ${asked}${note}`, start = performance.now(), cpu = cpuUsage();
    this.#peakBytes = 0;
    await using writer = await createWriter(checkpoint, place.passing, { model: tensorNames(spec) });
    signal.addEventListener("abort", () => writer.abort());
    const reports = await prune({
      ...this.#pass(label),
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
    const cost: Cost = {
      metricSeconds: reports.reduce((sum, report) => sum + report.seconds, 0),
      seconds: (performance.now() - start) / 1000 + (dense?.seconds ?? 0),
      cpuSeconds: cpuSince(cpu) + (dense?.cpu ?? 0),
      peakBytes: this.#peakBytes || Deno.memoryUsage().rss,
    };
    await writer.finish();
    const scored = await this.#score(label, place.passing, yardstick);
    const measured = { ...scored, ...yardstick ? {} : await this.#decode(place.passing) };
    const rows = [await this.#row(label, { method: name, asked }, measured, cost)];
    for (const by of yardstick ? [] : training?.budget.by ?? []) rows.push(await this.#tuned(by, label, job));
    await Deno.remove(place.passing, { recursive: true });
    return rows;
  }

  /** Trains the pruned model that stands there, and measures what came of it. */
  async #tuned(by: TunedBy, of: string, { name, asked }: Pick<Job, "name" | "asked">): Promise<Row> {
    const { backend, checkpoint, place, recorder, spool, training } = this.all, { terminal, signal } = this.watcher;
    const label = `${of}, ${by}`;
    await using pruned = await openCheckpoint(place.passing);
    const cpu = cpuUsage();
    this.#peakBytes = 0;
    const { tuned, seconds } = await train(by, {
      ...{ backend, dense: checkpoint, pruned, text: training!.text, budget: training!.budget, signal, spool },
      onProgress: (done, total) => {
        this.#peakBytes = Math.max(this.#peakBytes, Deno.memoryUsage().rss);
        recorder.progress({ phase: label, block: 0, blocks: 0, done, total });
        terminal.progress({ label, short: by, done, total, unit: "tokens" });
      },
    });
    const cost = { seconds, cpuSeconds: cpuSince(cpu), peakBytes: this.#peakBytes || Deno.memoryUsage().rss };
    return await this.#row(label, { method: `${name}, ${TUNED_BY[by]}`, asked }, await this.#score(label, tuned), cost);
  }

  /**
   * The perplexity of jobs by the number of calibration sequences and the seed that draws them.
   * @param found The rows of the table's own run, which is one of the points.
   * @param draw Calibrations, but for that run's.
   */
  async bySamples(
    jobs: readonly Job[],
    found: { readonly rows: readonly Row[]; readonly samples?: number; readonly seed: number },
    asked: { readonly samples: readonly (number | undefined)[]; readonly seeds: readonly number[] },
    draw: (samples: number | undefined, seed: number) => Promise<Calibration>,
  ): Promise<SamplePoint[]> {
    const { windows } = this.all.yardstick, points: SamplePoint[] = [], perplexities = new Map<string, number[]>();
    const key = (name: string, samples?: number) => JSON.stringify([name, samples]);
    for (const samples of jobs.length ? asked.samples : []) {
      for (const seed of asked.seeds) {
        const own = samples === found.samples && seed === found.seed, note = `, ${samples} samples, seed ${seed}`;
        const variation = { note, yardstick: { windows } };
        const rows = own ? found.rows : await this.run(jobs, await draw(samples, seed), variation);
        for (const job of jobs) {
          const { perplexity } = rows.find((row) => row.method === job.name && row.asked === job.asked)!;
          const before = perplexities.get(key(job.name, samples)) ?? [];
          perplexities.set(key(job.name, samples), [...before, perplexity!]);
        }
      }
    }
    for (const { name } of jobs) {
      for (const samples of asked.samples) {
        const own = perplexities.get(key(name, samples));
        if (own) points.push(samplePoint(name, samples!, own));
      }
    }
    return points;
  }

  #pass(label: string) {
    const { backend, spool, recorder } = this.all, { signal } = this.watcher;
    const told = report(recorder, this.watcher, label);
    const onProgress: OnProgress = (progress) => {
      this.#peakBytes = Math.max(this.#peakBytes, Deno.memoryUsage().rss);
      told(progress);
    };
    return { backend, signal, spool, onProgress };
  }

  #score(label: string, model: string | Checkpoint, yardstick = this.all.yardstick): Promise<Measured> {
    return measureAt(model, yardstick, (what) => this.#pass(`${label}, ${what}`));
  }

  /** Text from the model at a path, if that is asked for. */
  async #decode(path: string): Promise<Pick<Row, "decode">> {
    const { backend, place, decode } = this.all, { signal } = this.watcher;
    return decode ? { decode: await decodeAt(path, `${place.partial}/packed`, { backend, signal }) } : {};
  }

  /** What a model differs by from the dense one. */
  #toDense(documents: Answers["documents"], results: readonly Result[]): Row["toDense"] {
    const first = this.#ofDense, found = first && differenceOf(results, first, documents);
    this.#ofDense ??= documents;
    return found && { value: found.difference, ...found.error !== undefined && { error: found.error } };
  }

  /** Says and records what was found of a model, and makes a row of it. */
  async #row(
    label: string,
    which: Pick<Row, "method" | "asked">,
    { documents, ...found }: Measured & Pick<Row, "decode">,
    cost?: Cost,
  ): Promise<Row> {
    const { recorder, evaluation, place, yardstick: { exam } } = this.all;
    const { perplexity, sparsity } = found, difference = documents && this.#toDense(documents, found.results!);
    const row: Row = { ...which, ...found, ...difference && { toDense: difference }, ...cost };
    const benchmark = headline(row);
    const said = [
      ...perplexity === undefined ? [] : [`perplexity ${perplexity.toFixed(2)}`],
      ...benchmark ? [`${titleOf(benchmark)} accuracy ${show("acc", benchmark.figures.acc)} %`] : [],
      ...row.decode ? [`${row.decode.tokensPerSecond.toFixed(1)} tokens/s`] : [],
    ];
    this.watcher.terminal.note(`${label}: ${said.join(", ")}`);
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
  }
}
