/** Benchmarks of a run document by document, and of several runs side by side, paired by the documents that all were asked. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { pair, type Paired, pairGroup } from "../run/paired.ts";
import type { ScoreColumns } from "../run/documents.ts";
import { type DocumentRecord, type Figure, METRICS, type RunRecord, type TaskRecord } from "../run/record.ts";
import { answerPrepared } from "./answer.ts";
import { PreparedCache, prepareJson } from "./prepared.ts";
import { problems, refusal } from "./problem.ts";
import { byMetric, NoQuerySchema, RunParamsSchema, TaskSchema } from "./schemas.ts";
import { requireRun, requireVersion, type Source } from "./source.ts";

/** What is compared document by document: by these one is right or wrong. */
const PAIRED = ["acc", "acc_norm"] as const;

/** A benchmark by one metric, of several runs, a place for each; null where a run was not asked it. */
export interface BenchmarkRow extends Pick<TaskRecord, "name" | "version" | "shots" | "longest" | "chance" | "group"> {
  /** Of a comparison's models: whose. */
  readonly label?: string;
  readonly metric: keyof TaskRecord["figures"];
  /** Each with its own standard error and number of documents. */
  readonly figures: readonly ((Figure & Pick<TaskRecord, "documents">) | null)[];
  /** What each differs by from the first run's; null for the first itself, and where documents cannot be paired. */
  readonly toFirst: readonly (Paired | null)[];
}

const PairedSchema: z.ZodType<Paired> = z.object({
  documents: z.int().openapi({ description: "That both were asked." }),
  difference: z.number(),
  error: z.number().optional().openapi({ description: "Of the difference, paired by document." }),
  won: z.int().openapi({ description: "Documents that the first got wrong and this one right." }),
  lost: z.int().openapi({ description: "Documents that the first got right and this one wrong." }),
  p: z.number().optional().openapi({ description: "McNemar's test, exact and two-sided." }),
}).openapi("Paired");

/** Such a row. */
export const BenchmarkRowSchema: z.ZodType<BenchmarkRow> = z.object({
  name: z.string(),
  version: z.number(),
  shots: z.int().optional(),
  longest: z.int().optional(),
  chance: z.number().optional(),
  group: z.object({ tasks: z.array(z.string()), by: z.enum(["document", "task"]) }).optional(),
  label: z.string().optional().openapi({ description: "Of a comparison's models: whose." }),
  metric: z.enum(METRICS),
  figures: z.array(z.object({ value: z.number(), error: z.number().optional(), documents: z.int() }).nullable()),
  toFirst: z.array(PairedSchema.nullable()),
}).openapi("BenchmarkRow");

/** A record, and what its documents were worth once that is asked for. */
interface Asked {
  readonly record: TaskRecord;
  readonly scores: () => ScoreColumns;
}

/** What must be the same for two results to stand in one row: then their first documents are the same. */
const keyOf = ({ kind }: RunRecord["manifest"]["plan"], { label, name, version, shots, longest, data }: TaskRecord) =>
  JSON.stringify([kind === "compare" ? label : null, name, version, shots ?? null, longest ?? null, data]);

/** The benchmarks of several runs, by metric. */
export function benchmarkRows(source: Source, runs: readonly RunRecord[]): BenchmarkRow[] {
  const byRun = runs.map((run) => {
    const found = new Map<string, Asked>();
    for (const record of run.tasks) {
      const key = keyOf(run.manifest.plan, record), before = found.get(key)?.record;
      // Of one that was asked twice, the longer.
      if (before && before.documents > record.documents) continue;
      let scores: ScoreColumns | undefined;
      found.set(key, { record, scores: () => scores ??= source.scores(run.id, record) ?? {} });
    }
    return found;
  });
  const keys = [...new Set(byRun.flatMap((found) => [...found.keys()]))];
  return keys.flatMap((key) => {
    const asked = byRun.map((found) => found.get(key)), { record } = asked.find((each) => each !== undefined)!;
    const { name, version, shots, longest, chance, group, label } = record, [whose] = JSON.parse(key);
    return (Object.keys(record.figures) as (keyof TaskRecord["figures"])[]).map((metric): BenchmarkRow => ({
      ...{ name, version, shots, longest, chance, group, metric },
      ...whose !== null && { label },
      figures: asked.map((each) => {
        const figure = each?.record.figures[metric];
        return figure ? { ...figure, documents: each!.record.documents } : null;
      }),
      toFirst: asked.map((each, at) => at && each && asked[0] ? difference(byRun[0], byRun[at], key, metric) : null),
    }));
  });
}

/** How a benchmark of one run differs from the same of the first. */
function difference(
  first: ReadonlyMap<string, Asked>,
  other: ReadonlyMap<string, Asked>,
  key: string,
  metric: keyof TaskRecord["figures"],
): Paired | null {
  if (!PAIRED.some((each) => each === metric)) return null;
  const [one, two] = [first, other].map((asked) => asked.get(key)!), { group, shots } = one.record;
  const scores = ({ scores }: Asked) => scores()[metric] ?? [];
  if (!group) return pair(scores(one), scores(two));
  const own = (asked: ReadonlyMap<string, Asked>, { label }: TaskRecord, task: string) =>
    [...asked.values()].find(({ record }) =>
      record.name === task && record.label === label && !record.group && (shots ?? record.shots) === record.shots
    );
  const pairs = group.tasks.flatMap((task) => {
    const [a, b] = [own(first, one.record, task), own(other, two.record, task)];
    return a && b && String(a.record.data) === String(b.record.data) ? [pair(scores(a), scores(b))] : [];
  });
  return pairs.length === group.tasks.length ? pairGroup(pairs, group.by) : null;
}

/** A benchmark of a run with all of its documents. */
interface AnsweredTask extends TaskRecord {
  readonly answered: readonly {
    readonly id: number;
    readonly loglikelihoods: readonly number[];
    readonly greedy: readonly boolean[];
    readonly scores: DocumentRecord["scores"];
  }[];
}

/** All records of a benchmark in a run: several where it was asked in several ways, or of several models. */
interface AnsweredTasks {
  readonly tasks: readonly AnsweredTask[];
}

const AnsweredTasksSchema: z.ZodType<AnsweredTasks> = z.object({
  tasks: z.array(z.intersection(
    TaskSchema,
    z.object({
      answered: z.array(z.object({
        id: z.int().openapi({ description: "The document's place in the set, from 0." }),
        loglikelihoods: z.array(z.number()).openapi({ description: "Of each request, in nats." }),
        greedy: z.array(z.boolean()).openapi({ description: "Whether each of a request's tokens was the likeliest." }),
        scores: byMetric(z.number()),
      })),
    }),
  )),
}).openapi("AnsweredTasks");

/** Adds the route. */
export function serveBenchmarks(app: OpenAPIHono, source: Source): void {
  const cache = new PreparedCache();
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/tasks/{name}",
      summary: "What every document of a benchmark gave",
      request: {
        params: RunParamsSchema.extend({ name: z.string().openapi({ example: "boolq" }) }),
        query: NoQuerySchema,
      },
      responses: {
        200: { description: "The documents", content: { "application/json": { schema: AnsweredTasksSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const { id, name } = context.req.valid("param"), version = requireVersion(source, id);
      const found = cache.get(`${id}/tasks/${name}`, version, () => {
        const tasks = requireRun(source, id).tasks.filter((record) => record.name === name);
        if (!tasks.length) throw refusal(404, `the run ${id} was not asked ${JSON.stringify(name)}`);
        return prepareJson(
          {
            tasks: tasks.map((record) => ({
              ...record,
              answered: (source.documents(id, record) ?? []).map(({ answers, scores }, at) => ({
                id: at,
                loglikelihoods: answers.map(({ logLikelihood }) => logLikelihood),
                greedy: answers.map(({ greedy }) => greedy),
                scores,
              })),
            })),
          } satisfies AnsweredTasks,
        );
      });
      return answerPrepared<AnsweredTasks>(context, found);
    },
  );
}
