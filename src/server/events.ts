/**
 * What happens to a run, while it happens: server-sent events out of the registry's log. Each carries the log's id, so a
 * client that was cut off goes on behind the last one that it saw (Last-Event-ID), in this process or the next.
 *
 * SQLite tells no other process that a row was written; the log is asked instead, by its index, a few times a second.
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { problem, problems } from "./problem.ts";
import { NoQuerySchema, RunParamsSchema } from "./schemas.ts";
import { requireRun, type Source } from "./source.ts";

/** Milliseconds between two looks at the log: a quarter of a second is soon enough for an eye. */
const LOOK = 250;

/** Milliseconds of silence after which a comment keeps the connection: proxies close silent ones after 30 s or more. */
const QUIET = 15_000;

/** Adds the route. `look`: milliseconds between two looks at the log. */
export function serveEvents(app: OpenAPIHono, source: Source, look: number = LOOK): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/runs/{id}/events",
      summary: "Events of a run, ended when the run has ended",
      description:
        "The events status, progress, linear, perplexity and labels (name, tags, note), their data as JSON. A client that has seen the " +
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
        ...problems(400, 404),
      },
    }),
    (context) => {
      const { id } = context.req.valid("param"), { status } = requireRun(source, id);
      let seen = Number(context.req.valid("header")["last-event-id"] ?? 0);
      if (status !== "running" && seen >= source.newestEvent(id)) return context.body(null, 204);
      // Nobody would read the stream, nor end it.
      if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": "text/event-stream" });
      context.header("x-accel-buffering", "no");
      return streamSSE(context, async (stream) => {
        for (let spoken = Date.now(); !stream.aborted; await stream.sleep(look)) {
          // First the status: what happens after it is in the log that is read next.
          const { status } = requireRun(source, id), events = source.events(id, seen);
          for (const { id, kind, data } of events) {
            await stream.writeSSE({ id: String(id), event: kind, data: JSON.stringify(data) });
            seen = id;
          }
          if (status !== "running") {
            // A process that was killed left no event that says so.
            if (status === "interrupted") await stream.writeSSE({ event: "status", data: JSON.stringify({ status }) });
            return;
          }
          if (events.length) spoken = Date.now();
          else if (Date.now() - spoken > QUIET) {
            await stream.write(": still running\n\n");
            spoken = Date.now();
          }
        }
      }, async (_error, stream) => {
        await stream.writeSSE({ event: "problem", data: await problem(503, "the registry cannot be read").text() });
      });
    },
  );
}
