/** What a command line asks of `prune`, checked; and what the run that follows from it may touch. */
import type { Context } from "../../src/cli/run.ts";
import { resolveRanks } from "../../src/cli/rank_flags.ts";
import { normalizeFlags, type PruneValues } from "../../src/cli/prune_command.ts";
import {
  type Bucket,
  findAllocation,
  findMethod,
  makeRequest,
  makeSolverOptions,
  type OpenOptions,
  PareError,
  parseGroup,
  parsePattern,
  type Ranks,
  reconstructionRate,
  type ReconstructOptions,
  type SparsityMap,
  uniform,
  withUpdate,
} from "../../src/mod.ts";
import { readPlan } from "../../src/run/asked.ts";
import { MANIFEST_FILE } from "../../src/run/manifest.ts";
import type { Plan } from "../../src/run/record.ts";
import { labelsOf } from "../../src/run/labels.ts";
import { planFlags } from "../shared/planned.ts";
import { PermissionSet, type Staged } from "../shared/sandbox.ts";
import { fetching, isFile } from "../shared/common.ts";

/** The object of a sparsity map's file. */
export async function readMap(path: string): Promise<SparsityMap> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new PareError(`--sparsity-map ${path}: cannot be read: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PareError(`--sparsity-map ${path}: not JSON: ${(error as Error).message}`);
  }
}

/** What the flags ask of the method, checked. */
export function resolveRequest(values: PruneValues) {
  const base = findMethod(values.method), method = values.update ? withUpdate(base, values.update) : base;
  const solve = makeSolverOptions(method, values);
  if (values.trueSequential && method.statistic !== "gram") {
    throw new PareError(`--true-sequential: ${method.name} updates no weights; sparsegpt, admm, alps and --update do`);
  }
  if (values.holdout && method.statistic !== "gram") {
    throw new PareError(`--holdout: ${method.name} updates no weights; sparsegpt, admm, alps and --update do`);
  }
  const allocation = findAllocation(values.allocation), several = allocation !== uniform;
  if (values.sparsityMap !== undefined && several) {
    throw new PareError(`--sparsity-map and --allocation ${allocation.name} exclude each other`);
  }
  const request = makeRequest(method, {
    sparsity: values.sparsity,
    pattern: values.pattern === undefined ? undefined : parsePattern(values.pattern),
    group: values.group === undefined ? undefined : parseGroup(values.group),
    variant: values.variant,
  });
  if (several && request.pattern) {
    throw new PareError(
      `--allocation ${allocation.name} and --pattern exclude each other: n:m is one sparsity for all`,
    );
  }
  const reconstruct = reconstruction(values);
  const calibrated = method.statistic !== "none" || allocation.statistic !== undefined || reconstruct !== undefined;
  return { method, request, solve, allocation, reconstruct, calibrated };
}

/** How blocks are to be reconstructed, if they are, where hidden states have a width. */
function reconstruction(
  { reconstruct: epochs, reconstructRate: rate }: PruneValues,
): ((hidden: number) => ReconstructOptions) | undefined {
  if (rate !== undefined && epochs === undefined) {
    throw new PareError(`--reconstruct-rate ${rate}: expected --reconstruct with it`);
  }
  if (rate !== undefined && !(rate > 0 && rate < 1)) {
    throw new PareError(`--reconstruct-rate ${rate}: expected a number above 0 and below 1`);
  }
  return epochs === undefined ? undefined : (hidden) => ({ epochs, rate: rate ?? reconstructionRate(hidden) });
}

/** The flags as they are given, and what the launcher has found: files by their paths, and what is lost. */
export type Given = Parameters<typeof normalizeFlags>[0] & {
  readonly remote?: OpenOptions;
  /** Where the ranks of the run meet, if that is no directory. */
  readonly bucket?: Bucket;
  /** Which part of the run is this process's, if it is not all of it. */
  readonly part?: Ranks;
  readonly spoolFile?: string;
  readonly registry?: string;
  readonly calibrationFile?: string;
  readonly planned?: Plan;
  readonly replaces?: string;
  readonly staged?: Staged;
};

/** Fetches what the run needs, and says what it may touch. */
export async function enter(asked: Given, { terminal, signal }: Context) {
  const planned = asked.plan === undefined ? undefined : await readPlan(asked.plan);
  const given = planned ? planFlags(asked, planned) : asked;
  const values = normalizeFlags(given, () => {}), { calibrated } = resolveRequest(values);
  labelsOf(values);
  const part = resolveRanks(values), writes = !part || part.rank === 0;
  const allowed = new PermissionSet(), fetches = fetching(terminal);
  const model = await allowed.model(values.model, fetches, values.stream);
  const fetched = calibrated && values.calibration !== "self";
  const corpus = fetched ? await allowed.corpus(values.calibration, "train", fetches) : undefined;
  if (values.startToken !== undefined && values.calibration !== "self") {
    throw new PareError("--start-token is for --calibration self");
  }
  const { out, force, spool } = values, made = !values.dryRun;
  // What is there may be what this run would write: that is seen once it is known what it would be.
  const { sink, ...where } = out === undefined || !writes ? {} : await allowed.outputAnywhere(
    { out, model, force, there: await isFile(`${out}/${MANIFEST_FILE}`), made, spool },
    fetches,
    { terminal, signal },
  );
  if (values.sparsityMap !== undefined) allowed.read(values.sparsityMap);
  return {
    values: {
      ...given,
      model,
      calibration: corpus?.name ?? values.calibration,
      calibrationFile: corpus?.file,
      part,
      ...await allowed.exchange(values.exchange),
      remote: allowed.remote,
      spoolFile: allowed.spool(values.spool),
      registry: values.dryRun || !writes ? undefined : await allowed.registryAnywhere(values.runs, fetches),
      planned,
      ...where,
    },
    permissions: allowed.permissions,
    ...sink && { sink },
    leave: allowed.leave,
  };
}
