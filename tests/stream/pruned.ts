/** Pruning as the tests of the pass do it: a method by its name, the written weights in a map. */
import type { Backend } from "../../src/backend/backend.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { findMethod, makeRequest, type RequestOptions, type Update, withUpdate } from "../../src/method/mod.ts";
import { readSpec } from "../../src/model/read.ts";
import { prune, type PruneOptions } from "../../src/stream/prune.ts";
import type { LinearReport } from "../../src/stream/results.ts";
import { chooseTargets, type TargetOptions } from "../../src/stream/target.ts";
import { randomTokens } from "./random_model.ts";

/** What differs from pruning half of everything with Wanda on a few random tokens. */
export interface Asked extends Partial<PruneOptions> {
  readonly name?: string;
  readonly update?: Update;
  readonly ask?: RequestOptions;
  readonly leave?: TargetOptions;
}

/** Few enough for the reference backend, more than one batch. */
export const CALIBRATION = randomTokens(18, 16, 128);

/** Prunes, and gives the reports and the written weights. */
export async function pruned(
  checkpoint: Checkpoint,
  backend: Backend,
  { name = "wanda", update, ask = {}, leave = {}, ...options }: Asked = {},
): Promise<{ reports: LinearReport[]; weights: Map<string, Uint8Array<ArrayBuffer>> }> {
  const base = findMethod(name), method = update ? withUpdate(base, update) : base, request = makeRequest(method, ask);
  const weights = new Map<string, Uint8Array<ArrayBuffer>>();
  const reports = await prune({
    checkpoint,
    backend,
    method,
    request,
    targets: chooseTargets(readSpec(checkpoint), request, leave),
    calibration: method.statistic === "none" ? undefined : CALIBRATION,
    write: (name, bytes) => Promise.resolve(void weights.set(name, bytes)),
    ...options,
  });
  return { reports, weights };
}
