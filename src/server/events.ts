/**
 * What happens to a run, while it happens: server-sent events out of the registry's log. Each carries the log's id, so a
 * client that was cut off goes on behind the last one that it saw (Last-Event-ID), in this process or the next.
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { HTTPException } from "hono/http-exception";
import type { Lookout } from "./lookout.ts";
import { problem, problems, refusal } from "./problem.ts";
import { NoQuerySchema, RunParamsSchema } from "./schemas.ts";
import { requireRun, type Source } from "./source.ts";

/** Seconds after which one for whom there was no room may ask again. */
const RETRY_AFTER_S = 5;

/** Milliseconds of silence after which a comment keeps the connection: proxies close silent ones after 30 s or more. */
const KEEPALIVE_INTERVAL_MS = 15_000;

/** Adds the route. */
export function serveEvents(app: OpenAPIHono, source: Source, lookout: Lookout): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/events",
      summary: "Events of a run, ended when the run has ended",
      description:
        "The events status, progress, linear, curve, perplexity, task and labels (name, tags, note), their data as JSON. A client that has seen the " +
        "last event of a run that has ended gets 204, which tells it to come no more.",
      request: {
        params: RunParamsSchema,
        query: NoQuerySchema,
        headers: z.object({
          "last-event-id": z.string().regex(/^\d{1,15}$/, "expected the id of an event").optional(),
        }),
      },
      responses: {
        200: { description: "The events", content: { "text/event-stream": { schema: z.string() } } },
        204: { description: "The run has ended, and nothing happened since" },
        ...problems(400, 404, 503),
      },
    }),
    (context) => {
      const { id } = context.req.valid("param"), { status } = requireRun(source, id);
      let seen = Number(context.req.valid("header")["last-event-id"] ?? 0);
      if (status !== "running" && seen >= source.newestEvent(id)) return context.body(null, 204);
      // Nobody would read the stream, nor end it.
      if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": "text/event-stream" });
      if (lookout.full) {
        const headers = { "retry-after": String(RETRY_AFTER_S) };
        throw refusal(503, "as many listen to runs as this server has room for; a run itself can still be asked for", {
          headers,
        });
      }
      context.header("x-accel-buffering", "no");
      return streamSSE(context, async (stream) => {
        using listener = lookout.listen(id);
        stream.onAbort(() => listener.wake());
        while (!stream.aborted) {
          const { text, last, status } = listener.after(seen);
          if (text) await stream.write(text);
          seen = last;
          if (status !== "running") {
            // A process that was killed left no event that says so.
            if (status === "interrupted") await stream.writeSSE({ event: "status", data: JSON.stringify({ status }) });
            return;
          }
          if (!await listener.news(KEEPALIVE_INTERVAL_MS)) await stream.write(": still running\n\n");
        }
      }, async (error, stream) => {
        const response = error instanceof HTTPException
          ? error.getResponse()
          : problem(503, "the registry cannot be read");
        await stream.writeSSE({ event: "problem", data: await response.text() });
      });
    },
  );
}
