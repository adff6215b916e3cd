/** What the server reads: the registry without what writes, and the runs that must exist to be shown. */
import type { Registry } from "../run/registry.ts";
import type { RunRecord } from "../run/record.ts";
import { refusal } from "./problem.ts";

/** A registry that is only read. */
export type Source = Pick<
  Registry,
  "list" | "get" | "layers" | "layer" | "curvePoints" | "documents" | "scores" | "events" | "newestEvent"
>;

const unknown = (id: string) => refusal(404, `there is no run ${JSON.stringify(id)}`);

/** A run. @throws HTTPException 404 if there is none. */
export function requireRun(source: Source, id: string): RunRecord {
  const run = source.get(id);
  if (!run) throw unknown(id);
  return run;
}

/**
 * What changes when anything is written of a run.
 * @throws HTTPException 404 if there is none: every run has the event of its beginning.
 */
export function requireVersion(source: Source, id: string): number {
  const version = source.newestEvent(id);
  if (!version) throw unknown(id);
  return version;
}
