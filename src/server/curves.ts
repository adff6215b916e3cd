/** How a training went: its steps, evaluations and reconstructed blocks. */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import { answerPrepared } from "./answer.ts";
import { PreparedCache, prepareJson } from "./prepared.ts";
import { problems } from "./problem.ts";
import { type CurvePage, CurvePageSchema, NoQuerySchema, RunParamsSchema } from "./schemas.ts";
import { requireVersion, type Source } from "./source.ts";

/** Adds the route. */
export function serveCurves(app: OpenAPIHono, source: Source): void {
  const cache = new PreparedCache();
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/curve",
      summary: "How a training went: loss and rate of its steps, perplexities on what is held out, errors of blocks",
      request: { params: RunParamsSchema, query: NoQuerySchema },
      responses: {
        200: { description: "The points", content: { "application/json": { schema: CurvePageSchema } } },
        ...problems(400, 404),
      },
    }),
    (context) => {
      const { id } = context.req.valid("param"), version = requireVersion(source, id);
      const page = cache.get(id, version, () => prepareJson({ points: source.curvePoints(id) } satisfies CurvePage));
      return answerPrepared<CurvePage>(context, page);
    },
  );
}
