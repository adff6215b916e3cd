/** What a `prune` is about to do: all that its flags name, opened and planned, and the manifest of it. */
import type { PruneValues } from "../../src/cli/prune_command.ts";
import type { Context } from "../../src/cli/run.ts";
import {
  type Backend,
  type Calibration,
  calibrationSequences,
  checkPermutable,
  type Checkpoint,
  chooseTargets,
  loadTokenizer,
  mapRequests,
  type ModelSpec,
  openBackend,
  openCheckpoint,
  planPrune,
  readSpec,
  type SparsityMap,
  startTokenOf,
  writeItself,
} from "../../src/mod.ts";
import { refuseOtherPlan } from "../../src/run/asked.ts";
import { corpusOf, describeRun } from "../../src/run/describe.ts";
import { canonicalJson } from "../../src/run/plan.ts";
import type { Json, Manifest } from "../../src/run/record.ts";
import { type Given, readMap, resolveRequest } from "./request.ts";
import { planLines } from "./text.ts";
import { defaultSeqlen, downloads } from "../shared/common.ts";

/** The calibration sequences that the flags ask for. */
function calibrate(
  values: PruneValues,
  checkpoint: Checkpoint,
  spec: ModelSpec,
  backend: Backend,
  context: Context,
): Promise<Calibration> {
  if (values.calibration === "sample") {
    context.terminal.note("calibration: a few chapters of Austen that come with Pare; for results to publish use c4");
  }
  return calibrationSequences(values.calibration, {
    tokenizer: () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path),
    vocabulary: spec.vocabulary,
    samples: values.samples,
    seqlen: values.seqlen,
    defaultSeqlen: defaultSeqlen(spec),
    seed: values.seed,
    writeItself: async (asked) => {
      const { terminal, signal } = context, { startToken } = values;
      // A dry run only asks how many tokens there would be.
      if (values.dryRun) {
        return new Uint32Array(asked.samples * asked.length).fill(startTokenOf({ checkpoint, startToken }));
      }
      terminal.note("calibration: the dense model writes it first, token by token");
      const onProgress = (done: number, total: number) =>
        terminal.progress({ label: "writing", done, total, unit: "tokens" });
      return await writeItself({ ...asked, checkpoint, backend, startToken, onProgress, signal });
    },
    onProgress: downloads(context.terminal),
  });
}

/** What the modules hold of the heap, and what of the rest the pass still finds taken: it is a tokenizer's garbage, if any. */
const LIVE_HEAP = 20 * 2 ** 20, STAYING = 0.5;

/** Bytes that this process will go on holding. */
function heldMemory(): number {
  const { rss, heapUsed } = Deno.memoryUsage();
  return rss - (1 - STAYING) * Math.max(0, heapUsed - LIVE_HEAP);
}

/** Opens all that the flags name, and plans the pass. */
export async function prepare(given: Given, values: PruneValues, context: Context) {
  await using opened = new AsyncDisposableStack();
  const asked = resolveRequest(values), { method, request, solve, allocation, calibrated } = asked;
  const checkpoint = opened.use(await openCheckpoint(values.model, given.remote)), spec = readSpec(checkpoint);
  const reconstruct = asked.reconstruct?.(spec.hidden);
  const map = values.sparsityMap === undefined
    ? given.planned?.request.sparsityMap as SparsityMap | undefined
    : await readMap(values.sparsityMap);
  const requests = map ? mapRequests(spec, method, request, map) : request;
  const targets = chooseTargets(spec, requests, values);
  if (values.permute) checkPermutable(spec, targets, requests);
  const backend = opened.use(await openBackend(values.backend, { workers: values.workers }));
  const calibration = !calibrated ? undefined : await calibrate(values, checkpoint, spec, backend, context);
  const unwritten = values.dryRun && values.calibration === "self" && calibrated;
  const spool = { always: values.spool !== undefined, file: given.spoolFile };
  const planned = await planPrune(backend, checkpoint, spec, targets, {
    method,
    calibration: method.statistic === "none" && !reconstruct ? undefined : calibration,
    reconstruct,
    spool,
    trueSequential: values.trueSequential,
    holdout: values.holdout,
    permute: values.permute,
    dense: allocation.statistic && calibration,
    held: heldMemory,
  });
  // Whatever comes, the text has been tokenized already.
  const plan = { ...planned, peakBytes: Math.max(planned.peakBytes, await context.peakMemory()) };
  const json = {
    model: checkpoint.path,
    method: method.name,
    ...values.update && { update: values.update },
    ...request,
    allocation: values.allocation,
    ...map && { sparsityMap: map },
    ...method.statistic === "gram" && { solve, trueSequential: values.trueSequential },
    ...reconstruct && { reconstruct },
    backend: { name: backend.name, description: backend.description },
    calibration: calibration && { ...corpusOf(calibration), ...unwritten && { sha256: undefined } },
    plan,
    ...given.replaces && { replaces: values.out },
  };
  const lines = planLines(plan, `${backend.name} (${backend.description})`);
  if (calibration) {
    const { sequences, length, description } = calibration;
    const before = unwritten ? ", which is written first, in time that is not told here" : "";
    lines.unshift(`calibration: ${sequences} x ${length} tokens of ${description}${before}`);
  }
  if (given.replaces) lines.push(given.replaces);
  const held = opened.move(); // they are the caller's
  return {
    ...asked,
    reconstruct,
    checkpoint,
    spec,
    backend,
    map,
    requests,
    targets,
    calibration,
    /** Whether the calibration's ids stand for what a run would write: no hash is known of them. */
    unwritten,
    spool,
    trueSequential: values.trueSequential,
    holdout: values.holdout,
    permute: values.permute,
    json,
    lines,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A pass that is about to be made: its model, backend and calibration, and the plan of it for programs and for people. */
export type Prepared = Awaited<ReturnType<typeof prepare>>;

/**
 * The manifest of a pass.
 * @throws PareError if it is not the plan that was to be repeated.
 */
export async function describe(
  { checkpoint, backend, method, request, solve, reconstruct, map, calibration }: Prepared,
  given: Given,
  values: PruneValues,
  { args, terminal }: Context,
): Promise<Manifest> {
  const { pattern, ...asked } = request, { blocks = null, include, exclude } = values;
  const manifest = await describeRun({
    kind: "prune",
    checkpoint,
    backend,
    files: [given.calibrationFile, values.sparsityMap].filter((path) => path !== undefined),
    request: {
      method: method.name,
      ...values.update && { update: values.update },
      ...asked as Record<string, Json>,
      ...pattern && { pattern: `${pattern.n}:${pattern.m}` },
      ...method.statistic === "gram" && { ...solve, trueSequential: values.trueSequential },
      ...values.holdout && { holdout: true },
      ...values.permute && { permute: true },
      ...values.shards !== undefined && { shards: values.shards },
      ...reconstruct && { reconstruct: { epochs: reconstruct.epochs, rate: reconstruct.rate } },
      allocation: values.allocation,
      ...map && { sparsityMap: map },
      seed: values.seed,
      ...values.startToken !== undefined && { startToken: values.startToken },
      targets: { blocks, include, exclude },
    },
    calibration: calibration && corpusOf(calibration),
  }, args);
  if (given.planned) {
    refuseOtherPlan(
      given.planned,
      manifest.plan,
      values.plan === undefined ? "the run's plan" : `--plan ${values.plan}`,
    );
  }
  if (given.planned?.numerics && canonicalJson(given.planned.numerics) !== canonicalJson(manifest.plan.numerics!)) {
    const { arithmetic } = given.planned.numerics;
    terminal.note(`the plan was made for other kernels or another arithmetic (${arithmetic}): the bytes may differ`);
  }
  return manifest;
}
