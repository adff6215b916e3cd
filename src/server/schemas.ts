/**
 * What the server says, as schemas: `/openapi.json` and the docs page are made of them, requests are read by them, and the
 * compiler holds them against the data of the run room (`record.ts`), so that neither can drift from the other.
 */
import { z } from "@hono/zod-openapi";
import type { LinearSummary } from "../run/registry.ts";
import {
  type Corpus,
  type CurvePoint,
  type DensityMap,
  type Figure,
  type Histogram,
  type InputFile,
  type LinearRecord,
  type Manifest,
  type Measured,
  type Metric,
  METRICS,
  type PerplexityRecord,
  type Plan,
  type RatioRecord,
  type RunProgress,
  type RunRecord,
  type RunStatus,
  type TaskRecord,
  type TextRecord,
} from "../run/record.ts";

/** Runs of a page at most. */
const LARGEST_PAGE = 500;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/).openapi("Sha256", { example: "ab".repeat(32) });

/** Where a run stands. */
export const StatusSchema: z.ZodEnum<{ [Status in RunStatus]: Status }> = z.enum([
  "running",
  "finished",
  "failed",
  "interrupted",
]).openapi("RunStatus");

const CorpusSchema: z.ZodType<Corpus> = z.object({
  description: z.string(),
  sequences: z.int(),
  seqlen: z.int(),
  sha256: Sha256,
  protocol: z.string().optional(),
}).openapi("Corpus");

const BENCHMARK = {
  name: z.string(),
  version: z.number(),
  shots: z.int().openapi({ description: "Examples before each document." }),
  documents: z.int().openapi({ description: "The first so many are asked." }),
  total: z.int().openapi({ description: "Documents that the set has." }),
  data: z.array(Sha256).openapi({ description: "Of the files that it is read from." }),
  set: z.object({ id: z.string(), config: z.string(), split: z.string() }).optional(),
};

const PlanSchema: z.ZodType<Plan> = z.object({
  kind: z.enum(["prune", "finetune", "eval", "compare", "generate", "bench"]),
  pare: z.string(),
  model: z.object({ name: z.string(), sha256: Sha256 }),
  backend: z.enum(["webgpu", "wasm"]).optional(),
  numerics: z.object({ kernels: Sha256, arithmetic: z.string() }).optional(),
  request: z.record(z.string(), z.any()),
  calibration: CorpusSchema.optional(),
  evaluation: CorpusSchema.optional(),
  tasks: z.array(z.object(BENCHMARK)).optional().openapi({ description: "Benchmarks as they are asked." }),
}).openapi("Plan");

const InputFileSchema: z.ZodType<InputFile> = z.object({ path: z.string(), bytes: z.int(), sha256: Sha256 })
  .openapi("InputFile");

/** Everything that a repetition of a run needs. */
export const ManifestSchema: z.ZodType<Manifest> = z.object({
  planId: z.string(),
  plan: PlanSchema,
  args: z.array(z.string()),
  directory: z.string().optional(),
  inputs: z.array(InputFileSchema),
  outputs: z.array(InputFileSchema).optional(),
  kernels: z.record(z.string(), Sha256),
  environment: z.object({ deno: z.string(), v8: z.string(), os: z.string(), arch: z.string() }),
  backend: z.string(),
}).openapi("Manifest");

const PerplexitySchema: z.ZodType<PerplexityRecord> = z.object({
  label: z.string(),
  perplexity: z.number(),
  evaluation: CorpusSchema,
  sparsity: z.number().optional(),
  cost: z.object({
    metricSeconds: z.number().optional(),
    cpuSeconds: z.number().optional(),
    seconds: z.number().optional(),
    peakBytes: z.number().optional(),
  }).optional().openapi({ description: "What pruning the model took, in a comparison." }),
}).openapi("Perplexity");

/** Something for each metric that there is. */
export const byMetric = <T>(schema: z.ZodType<T>): z.ZodType<{ [metric in Metric]?: T }> =>
  z.object(Object.fromEntries(METRICS.map((metric) => [metric, schema.optional()])));

const FigureSchema: z.ZodType<Figure> = z.object({ value: z.number(), error: z.number().optional() })
  .openapi("Figure");

/** What a benchmark, or a group of them, came to. */
export const TaskSchema: z.ZodType<TaskRecord> = z.object({
  label: z.string(),
  ...BENCHMARK,
  shots: BENCHMARK.shots.optional(),
  longest: z.int().optional().openapi({
    description: "Tokens that a request had at most, where some was longer and lost its front.",
  }),
  figures: byMetric(FigureSchema),
  chance: z.number().optional().openapi({ description: "The accuracy of guessing." }),
  group: z.object({ tasks: z.array(z.string()), by: z.enum(["document", "task"]) }).optional().openapi({
    description: "Of a group: its tasks, and what counts the same in it.",
  }),
  sparsity: z.number(),
}).openapi("Task");

const ProgressSchema: z.ZodType<RunProgress> = z.object({
  phase: z.string(),
  block: z.int(),
  blocks: z.int(),
  done: z.number(),
  total: z.number(),
  rate: z.number().optional().openapi({ description: "Tokens by the second." }),
  memoryBytes: z.number().optional(),
}).openapi("Progress");

const MeasuredSchema: z.ZodType<Measured> = z.object({
  label: z.string(),
  unit: z.string(),
  median: z.number(),
  min: z.number(),
  max: z.number(),
  n: z.int(),
}).openapi("Measured");

const RatioSchema: z.ZodType<RatioRecord> = z.object({
  name: z.string(),
  ours: MeasuredSchema,
  theirs: MeasuredSchema,
  ratio: z.number(),
  target: z.union([z.object({ least: z.number() }), z.object({ most: z.number() })]).optional(),
}).openapi("Ratio", { description: "What a bench measured, both sides in turn, and what is asked of it." });

const TextSchema: z.ZodType<TextRecord> = z.object({
  prompt: z.string(),
  text: z.string(),
  ids: z.array(z.int()).openapi({ description: "Of the text alone, an end token among them." }),
  finish: z.enum(["stop", "length"]),
}).openapi("Text", { description: "What a model wrote behind a prompt." });

/** A run without its linears. */
export const RunSchema: z.ZodType<RunRecord> = z.object({
  id: z.string(),
  status: StatusSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().optional(),
  manifest: ManifestSchema,
  out: z.string().optional(),
  perplexities: z.array(PerplexitySchema),
  tasks: z.array(TaskSchema),
  ratios: z.array(RatioSchema).optional(),
  texts: z.array(TextSchema).optional(),
  phases: z.record(z.string(), z.number()),
  peakBytes: z.number().optional(),
  error: z.string().optional(),
  name: z.string().optional().openapi({ description: "What a person calls it." }),
  tags: z.array(z.string()),
  note: z.string().optional(),
  progress: ProgressSchema.optional(),
}).openapi("Run");

/** A page of runs. */
export interface RunPage {
  readonly runs: readonly RunRecord[];
  /** The cursor of the next page, if there is one. */
  readonly next?: string;
}

/** A page of runs. */
export const RunPageSchema: z.ZodType<RunPage> = z.object({
  runs: z.array(RunSchema),
  next: z.string().optional().openapi({ description: "The cursor of the next page, if there is one." }),
}).openapi("RunPage");

const summary = {
  name: z.string(),
  block: z.int(),
  rows: z.int(),
  cols: z.int(),
  zeros: z.int(),
  sparsity: z.number(),
  outputError: z.number().optional(),
  outputErrorFrom: z.enum(["hessian", "diagonal"]).optional(),
  heldOutError: z.number().optional(),
  updateLeft: z.boolean().optional(),
  tokens: z.number().int().optional(),
  seconds: z.number(),
  damping: z.number().optional(),
  maskSha256: Sha256,
  weightSha256: Sha256,
};

const LinearSummarySchema: z.ZodType<LinearSummary> = z.object(summary).openapi("LinearSummary");

/** All linears of a run that are done. */
export interface LayerPage {
  readonly layers: readonly LinearSummary[];
}

/** All linears of a run that are done. */
export const LayerPageSchema: z.ZodType<LayerPage> = z.object({ layers: z.array(LinearSummarySchema) })
  .openapi("LayerPage");

/** How a training went. */
export interface CurvePage {
  readonly points: readonly CurvePoint[];
}

const seconds = z.number().openapi({ description: "Of the training so far, its evaluations among them." });

const CurvePointSchema: z.ZodType<CurvePoint> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("step"),
    seconds,
    step: z.int(),
    loss: z.number(),
    rate: z.number(),
    norm: z.number(),
  }),
  z.object({ kind: z.literal("evaluation"), seconds, step: z.int(), perplexity: z.number() }),
  z.object({
    kind: z.literal("block"),
    seconds,
    block: z.int(),
    before: z.number(),
    after: z.number(),
    undone: z.boolean().optional(),
  }),
]).openapi("CurvePoint");

/** How a training went. */
export const CurvePageSchema: z.ZodType<CurvePage> = z.object({ points: z.array(CurvePointSchema) })
  .openapi("CurvePage");

/** A distribution. */
export const HistogramSchema: z.ZodType<Histogram> = z.object({
  max: z.number(),
  counts: z.array(z.int()),
  threshold: z.number().optional(),
  thresholds: z.tuple([z.number(), z.number()]).optional(),
}).openapi("Histogram", {
  description:
    "Counts of equal width from 0 to max, and the line between removed and kept: threshold. Where each row has " +
    "a line of its own it is their median, and thresholds are the lowest and the highest of them.",
});

/** The share of removed weights by cell. */
export const DensityMapSchema: z.ZodType<DensityMap> = z.object({
  rows: z.int(),
  cols: z.int(),
  cells: z.string().openapi({ description: "rows * cols bytes, base64; 255: every weight of the cell was removed." }),
}).openapi("DensityMap");

/** A linear with what is drawn of it. */
export const LinearSchema: z.ZodType<LinearRecord> = z.object({
  ...summary,
  magnitudes: HistogramSchema,
  scores: HistogramSchema.optional(),
  density: DensityMapSchema,
}).openapi("Linear");

/** Which runs are asked for. */
export const RunQuerySchema = z.object({
  model: z.string().optional().openapi({ description: "The model's name in the plan." }),
  method: z.string().optional(),
  pattern: z.string().optional().openapi({ description: "Such as 2:4, or unstructured." }),
  status: StatusSchema.optional(),
  name: z.string().optional().openapi({ description: "What a person calls it, exactly." }),
  tag: z.string().optional().openapi({ description: "One of its tags." }),
  cursor: z.string().regex(/^[1-9]\d{0,14}$/, 'expected the "next" of another page').optional(),
  limit: z.coerce.number().int().min(1).max(LARGEST_PAGE).optional(),
}).strict();

/** A query without fields: what is not understood is refused, not ignored. */
export const NoQuerySchema = z.object({}).strict();

/** A run's id. */
export const RunParamsSchema = z.object({ id: z.string().openapi({ example: "0123456789abcdef" }) });

/** RFC 9457: what went wrong. */
export const ProblemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), detail: z.string() })).optional().openapi({
    description: "The fields of the query that are wrong.",
  }),
}).openapi("Problem");
