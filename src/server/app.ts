/**
 * The server: reads the registry of runs and shows it, to programs (`/api`, described by `/openapi.json`) and to people (the
 * dashboard at `/`). It never computes and never writes. This file is what a request passes through, in order; the routes
 * are in files of their own.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { PareError } from "../errors.ts";
import { serveBenchmarks } from "./benchmarks.ts";
import { serveCurves } from "./curves.ts";
import { DASHBOARD } from "./dashboard.ts";
import { docsPage } from "./docs.ts";
import { serveEvents } from "./events.ts";
import { bearer, checkHost, headers, readOnly } from "./guard.ts";
import { serveLayers } from "./layers.ts";
import { Lookout } from "./lookout.ts";
import { makeMetrics } from "./metrics.ts";
import { prepare, prepareJson, send } from "./prepared.ts";
import { problem, refuseInvalid } from "./problem.ts";
import { serveRuns } from "./runs.ts";
import type { Source } from "./source.ts";

/** How a server behaves. */
export interface ServerOptions {
  /** What it shows. */
  readonly source: Source;
  /** Pare's version. */
  readonly version: string;
  /** What `/api` and `/metrics` ask for; without it they are open. The rest holds no data and is always open. */
  readonly token?: string;
  /** Names of this server beside addresses and `localhost`. */
  readonly hosts?: readonly string[];
  /** Origins of other sites whose pages may read. Default none. */
  readonly origins?: readonly string[];
  /** Milliseconds between two looks at the log of live runs. */
  readonly look?: number;
  /** Streams of events at most. */
  readonly streams?: number;
  /** Told of an error that is nobody's but Pare's. */
  readonly onBug?: (error: Error) => void;
}

/** Makes the server's application: a function from requests to responses (`fetch`). */
export function createApp(options: ServerOptions): OpenAPIHono {
  const { source, version, token, hosts = [], origins = [], look, streams, onBug = console.error } = options;
  const app = new OpenAPIHono({ defaultHook: refuseInvalid });
  const metrics = makeMetrics(source);
  app.use(metrics.watch, headers, checkHost(hosts));
  if (origins.length) {
    app.use(cors({ origin: [...origins], allowMethods: ["GET", "HEAD"], exposeHeaders: ["ETag"] }));
  }
  app.use(readOnly);
  if (token !== undefined) { for (const path of ["/api/*", "/metrics"]) app.use(path, bearer(token)); }

  serveRuns(app, source);
  serveLayers(app, source);
  serveCurves(app, source);
  serveBenchmarks(app, source);
  serveEvents(app, source, new Lookout(source, look, streams));
  app.get("/healthz", (context) => {
    source.newestEvent();
    return send(context, prepareJson({ status: "ok" }));
  });
  app.get("/metrics", async (context) => context.body(await metrics.text(), 200, { "content-type": metrics.type }));

  if (token !== undefined) app.openAPIRegistry.registerComponent("securitySchemes", "token", BEARER);
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Pare",
      version,
      description: "Runs of Pare: what they were asked, what came of them. It only reads.",
    },
    ...token !== undefined && { security: [{ token: [] }] },
  });
  const openapi = prepareJson(document), docs = docsPage(document).then((page) => prepare(page, "text/html"));
  app.get("/openapi.json", (context) => send(context, openapi));
  app.get("/docs", async (context) => send(context, await docs));
  for (const [path, file] of DASHBOARD) app.get(path, (context) => send(context, file));

  app.notFound((context) => problem(404, `there is nothing at ${context.req.path}`));
  app.onError((error) => {
    if (error instanceof HTTPException) return error.getResponse();
    if (error instanceof PareError) return problem(503, error.message);
    onBug(error);
    return problem(500, "this is a bug in Pare; its terminal says more");
  });
  return app;
}

const BEARER = { type: "http", scheme: "bearer" } as const;
