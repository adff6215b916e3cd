/** Runs: pages of them, one, its manifest, and two side by side. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { compareHashes, type Comparison } from "../run/compare.ts";
import type { LinearSummary } from "../run/registry.ts";
import type { RunRecord } from "../run/record.ts";
import { answer } from "./answer.ts";
import { problems } from "./problem.ts";
import { ManifestSchema, NoQuerySchema, RunPageSchema, RunParamsSchema, RunQuerySchema, RunSchema } from "./schemas.ts";
import { requireRun, type Source } from "./source.ts";

/** One linear of two runs. Undefined: the run has none of this name. */
interface Pair {
  readonly name: string;
  readonly sparsity: readonly (number | null)[];
  readonly outputError: readonly (number | null)[];
  /** Null unless both runs have it. */
  readonly sameMask: boolean | null;
  readonly sameWeight: boolean | null;
}

/** Two runs side by side. */
interface SideBySide {
  readonly runs: readonly RunRecord[];
  readonly comparison: Comparison;
  readonly layers: readonly Pair[];
}

const twoNumbers = z.array(z.number().nullable()).length(2);

const SideBySideSchema: z.ZodType<SideBySide> = z.object({
  runs: z.array(RunSchema).length(2),
  comparison: z.object({
    identical: z.boolean(),
    linears: z.int(),
    sameMasks: z.int(),
    sameWeights: z.int(),
    first: z.object({ name: z.string(), what: z.enum(["missing", "extra", "mask", "weight"]) }).optional(),
  }),
  layers: z.array(z.object({
    name: z.string(),
    sparsity: twoNumbers,
    outputError: twoNumbers,
    sameMask: z.boolean().nullable(),
    sameWeight: z.boolean().nullable(),
  })),
}).openapi("SideBySide");

function pairs(first: readonly LinearSummary[], second: readonly LinearSummary[]): Pair[] {
  const byName = [first, second].map((layers) => new Map(layers.map((layer) => [layer.name, layer])));
  return [...new Set([...first, ...second].map(({ name }) => name))].map((name) => {
    const [a, b] = byName.map((layers) => layers.get(name));
    return {
      name,
      sparsity: [a?.sparsity ?? null, b?.sparsity ?? null],
      outputError: [a?.outputError ?? null, b?.outputError ?? null],
      sameMask: a && b ? a.maskSha256 === b.maskSha256 : null,
      sameWeight: a && b ? a.weightSha256 === b.weightSha256 : null,
    };
  });
}

/** Adds the routes. */
export function serveRuns(app: OpenAPIHono, source: Source): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs",
      summary: "Runs, newest first",
      request: { query: RunQuerySchema },
      responses: {
        200: { description: "A page of runs", content: { "application/json": { schema: RunPageSchema } } },
        ...problems(400),
      },
    }),
    (context) => answer(context, source.list(context.req.valid("query"))),
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
      summary: "Two runs side by side",
      request: {
        query: z.object({
          runs: z.string().regex(/^[^,]+,[^,]+$/, "expected two ids with a comma between them")
            .openapi({ example: "0123456789abcdef,fedcba9876543210" }),
        }).strict(),
      },
      responses: {
        200: { description: "Both runs", content: { "application/json": { schema: SideBySideSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const runs = context.req.valid("query").runs.split(",").map((id) => requireRun(source, id));
      const [first, second] = runs.map(({ id }) => source.layers(id));
      const both: SideBySide = { runs, comparison: compareHashes(first, second), layers: pairs(first, second) };
      return answer(context, both);
    },
  );
}
