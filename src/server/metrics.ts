/** What Prometheus may watch: requests by route, and runs by status. */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { Gauge, Histogram, Registry } from "prom-client";
import type { RunStatus } from "../run/record.ts";
import type { Source } from "./source.ts";

/** Upper bounds in seconds, around the 50 ms within which 99 of 100 requests are to be answered. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];

/** Runs that are counted at most: the newest. */
const COUNTED = 500;

const STATUSES: readonly RunStatus[] = ["running", "finished", "failed", "interrupted"];

/** The metrics of one server. */
export interface Metrics {
  /** Measures every request. */
  readonly watch: MiddlewareHandler;
  /** The media type of `text`. */
  readonly type: string;
  /** Everything in Prometheus' own form. */
  text(): Promise<string>;
}

/** Begins to count. */
export function makeMetrics(source: Source): Metrics {
  const registry = new Registry();
  const seconds = new Histogram({
    name: "pare_http_request_duration_seconds",
    help: "Seconds until a response began, by route and status.",
    labelNames: ["route", "status"],
    buckets: BUCKETS,
    registers: [registry],
  });
  new Gauge({
    name: "pare_runs",
    help: `Runs by status, of the newest ${COUNTED}.`,
    labelNames: ["status"],
    registers: [registry],
    collect() {
      const { runs } = source.list({ limit: COUNTED });
      for (const status of STATUSES) this.set({ status }, runs.filter((run) => run.status === status).length);
    },
  });
  return {
    type: registry.contentType,
    text: () => registry.metrics(),
    watch: async (context, next) => {
      const start = performance.now();
      await next();
      // The route and not the address: a counter for each run would never stop growing.
      seconds.observe(
        { route: routePath(context, -1), status: context.res.status },
        (performance.now() - start) / 1000,
      );
    },
  };
}
