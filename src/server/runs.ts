/** Runs: pages of them, one, its manifest, and some side by side. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { listed } from "../run/benchmarks.ts";
import type { Comparison } from "../run/compare.ts";
import type { LinearSummary } from "../run/registry.ts";
import type { RunRecord } from "../run/record.ts";
import { answer } from "./answer.ts";
import { type BenchmarkRow, benchmarkRows, BenchmarkRowSchema } from "./benchmarks.ts";
import { problems } from "./problem.ts";
import {
  ManifestSchema,
  NoQuerySchema,
  type RunPage,
  RunPageSchema,
  RunParamsSchema,
  RunQuerySchema,
  RunSchema,
} from "./schemas.ts";
import { requireRun, type Source } from "./source.ts";

/** Runs that are set side by side at most: more lines than that nobody tells apart. */
const MOST = 8;

/** One linear of several runs, a place for each; null where a run has none of this name. */
interface Row {
  readonly name: string;
  readonly sparsity: readonly (number | null)[];
  readonly outputError: readonly (number | null)[];
  /** Whether it is the same in all of them; null unless all have it. */
  readonly sameMask: boolean | null;
  readonly sameWeight: boolean | null;
}

/** Runs side by side. */
interface SideBySide {
  readonly runs: readonly RunRecord[];
  readonly comparison: Comparison;
  readonly layers: readonly Row[];
  readonly benchmarks: readonly BenchmarkRow[];
}

const numbers = z.array(z.number().nullable());

const SideBySideSchema: z.ZodType<SideBySide> = z.object({
  runs: z.array(RunSchema),
  comparison: z.object({
    identical: z.boolean(),
    linears: z.int(),
    sameMasks: z.int(),
    sameWeights: z.int(),
    first: z.object({ name: z.string(), what: z.enum(["missing", "extra", "mask", "weight"]) }).optional(),
  }).openapi({ description: "Of the linears that all runs have; runs without linears are not identical." }),
  layers: z.array(z.object({
    name: z.string(),
    sparsity: numbers,
    outputError: numbers,
    sameMask: z.boolean().nullable(),
    sameWeight: z.boolean().nullable(),
  })).openapi({ description: "Numbers stand in the order of the runs." }),
  benchmarks: z.array(BenchmarkRowSchema).openapi({
    description: "By metric; figures and differences stand in the order of the runs.",
  }),
}).openapi("SideBySide");

/** The linears of several runs by their names. */
function rowsOf(runs: readonly (readonly LinearSummary[])[]): Row[] {
  const byName = runs.map((layers) => new Map(layers.map((layer) => [layer.name, layer])));
  return [...new Set(runs.flat().map(({ name }) => name))].map((name) => {
    const found = byName.map((layers) => layers.get(name)), whole = found.filter((layer) => layer !== undefined);
    const same = (field: "maskSha256" | "weightSha256") =>
      whole.length === runs.length ? whole.every((layer) => layer[field] === whole[0][field]) : null;
    return {
      name,
      sparsity: found.map((layer) => layer?.sparsity ?? null),
      outputError: found.map((layer) => layer?.outputError ?? null),
      sameMask: same("maskSha256"),
      sameWeight: same("weightSha256"),
    };
  });
}

/** What is to be said of all linears together. Runs without linears have nothing that could be identical. */
function compareRows(rows: readonly Row[], first: readonly LinearSummary[]): Comparison {
  const differing = rows.find(({ sameMask, sameWeight }) => !sameMask || !sameWeight);
  const has = new Set(first.map(({ name }) => name));
  const what = ({ name, sameMask }: Row) =>
    sameMask === null ? has.has(name) ? "missing" : "extra" : sameMask ? "weight" : "mask";
  return {
    identical: rows.length > 0 && !differing,
    linears: rows.filter(({ sameMask }) => sameMask !== null).length,
    sameMasks: rows.filter(({ sameMask }) => sameMask).length,
    sameWeights: rows.filter(({ sameWeight }) => sameWeight).length,
    ...differing && { first: { name: differing.name, what: what(differing) } },
  };
}

/** Adds the routes. */
export function serveRuns(app: OpenAPIHono, source: Source): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs",
      summary: "Runs, newest first",
      description:
        "Of a benchmark that is a group counted by the document, such as MMLU, the parts stand in the run alone.",
      request: { query: RunQuerySchema },
      responses: {
        200: { description: "A page of runs", content: { "application/json": { schema: RunPageSchema } } },
        ...problems(400),
      },
    }),
    (context) => {
      const { runs, next } = source.list(context.req.valid("query"));
      const page: RunPage = {
        runs: runs.map((run) => ({ ...run, tasks: listed(run.tasks) })),
        ...next !== undefined && { next },
      };
      return answer(context, page);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}",
      summary: "A run without its linears",
      request: { params: RunParamsSchema, query: NoQuerySchema },
      responses: {
        200: { description: "The run", content: { "application/json": { schema: RunSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => answer(context, requireRun(source, context.req.valid("param").id)),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/manifest",
      summary: "Everything that a repetition of the run needs",
      request: { params: RunParamsSchema, query: NoQuerySchema },
      responses: {
        200: { description: "The manifest", content: { "application/json": { schema: ManifestSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => answer(context, requireRun(source, context.req.valid("param").id).manifest),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/compare",
      summary: "Runs side by side",
      request: {
        query: z.object({
          runs: z.string().regex(
            new RegExp(`^[^,]+(,[^,]+){1,${MOST - 1}}$`),
            `expected two ids or more, up to ${MOST}, with commas between them`,
          )
            .openapi({ example: "0123456789abcdef,fedcba9876543210" }),
        }).strict(),
      },
      responses: {
        200: { description: "The runs", content: { "application/json": { schema: SideBySideSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const runs = context.req.valid("query").runs.split(",").map((id) => requireRun(source, id));
      const layers = runs.map(({ id }) => source.layers(id)), rows = rowsOf(layers);
      const found: SideBySide = {
        runs,
        comparison: compareRows(rows, layers[0]),
        layers: rows,
        benchmarks: benchmarkRows(source, runs),
      };
      return answer(context, found);
    },
  );
}
