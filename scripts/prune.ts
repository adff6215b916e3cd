/** `deno task prune`: reads the flags, composes the pass, prints what came of it. */
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { pruneCommand, type PruneValues, settle } from "../src/cli/prune_command.ts";
import { showBytes, showSeconds } from "../src/cli/units.ts";
import {
  type Calibration,
  calibrationSequences,
  type Checkpoint,
  chooseTargets,
  createWriter,
  loadTokenizer,
  mapRequests,
  type ModelSpec,
  openBackend,
  openCheckpoint,
  planPrune,
  readSpec,
  type SparsityMap,
  sweep,
  tensorNames,
} from "../src/mod.ts";
import { canonicalJson } from "../src/run/plan.ts";
import type { Json } from "../src/run/record.ts";
import { corpusOf, describeRun } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { refuseOtherPlan } from "./planned.ts";
import { enter, type Given, readMap, understand } from "./prune_request.ts";
import { runPass } from "./prune_pass.ts";
import { aboutDamping, aboutErrors, aboutExperts, aboutHoldout, planLines, summary } from "./prune_text.ts";
import { defaultSeqlen, downloads } from "./shared.ts";
import { isDone } from "./written.ts";

/** The calibration sequences that the flags ask for. */
function calibrate(
  values: PruneValues,
  checkpoint: Checkpoint,
  spec: ModelSpec,
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

/** The run itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, start = performance.now();
  const values = settle(given, (line) => terminal.note(line));
  const { method, request, solve, allocation, calibrated } = understand(values);
  await using checkpoint = await openCheckpoint(values.model);
  const spec = readSpec(checkpoint);
  const map = values.sparsityMap === undefined
    ? given.planned?.request.sparsityMap as SparsityMap | undefined
    : await readMap(values.sparsityMap);
  const requests = map ? mapRequests(spec, method, request, map) : request;
  const targets = chooseTargets(spec, requests, values);
  const calibration = !calibrated ? undefined : await calibrate(values, checkpoint, spec, context);
  await using backend = await openBackend(values.backend, { workers: values.workers });
  const spool = { always: values.spool !== undefined, file: given.spoolFile };
  const planned = await planPrune(backend, checkpoint, spec, targets, {
    method,
    calibration: method.statistic === "none" ? undefined : calibration,
    spool,
    trueSequential: values.trueSequential,
    holdout: values.holdout,
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
    backend: { name: backend.name, description: backend.description },
    calibration: calibration && corpusOf(calibration),
    plan,
    ...given.replaces && { replaces: values.out },
  };
  const lines = planLines(plan, `${backend.name} (${backend.description})`);
  if (calibration) {
    const { sequences, length, description } = calibration;
    lines.unshift(`calibration: ${sequences} x ${length} tokens of ${description}`);
  }
  if (given.replaces) lines.push(given.replaces);
  // Hashing a model reads all of it: nobody is to wait for that who only asks how long it would take.
  if (values.dryRun && !values.json && !given.planned) return { text: lines.join("\n"), json };
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
      allocation: values.allocation,
      ...map && { sparsityMap: map },
      seed: values.seed,
      targets: { blocks, include, exclude },
    },
    calibration: calibration && corpusOf(calibration),
  }, context.args);
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
  if (values.dryRun) return { text: lines.join("\n"), json: { ...json, runPlan: manifest.plan } };
  const labels = labelsOf(values);
  if (!values.force && await isDone(values.out!, manifest.planId, Recorder.done(given.registry, manifest)?.manifest)) {
    Recorder.label(given.registry, manifest.planId, labels);
    sweep(values.out!);
    return {
      text: `${values.out}: holds what this run would write, plan ${manifest.planId}; --force computes it again`,
      json: { ...json, run: manifest.planId, out: values.out, done: true },
    };
  }
  for (const line of lines) terminal.note(line);

  await using writer = await createWriter(checkpoint, values.out!, {
    force: values.force,
    plan: manifest.planId,
    resume: values.resume,
    model: tensorNames(spec),
    syncParent: context.syncDirectory,
  });
  signal.addEventListener("abort", () => writer.abort());
  if (values.resume) {
    const { length } = writer.steps;
    terminal.note(length ? `going on after ${length} finished steps` : "nothing to go on with");
  } else if (writer.dropped) {
    terminal.note("what a run that ended early had left is dropped; --resume would have gone on with it");
  }
  using recorder = Recorder.begin(given.registry, manifest, { out: values.out, resumes: values.resume, labels });
  try {
    const pruned = await runPass({
      ...{
        checkpoint,
        backend,
        method,
        request,
        requests,
        solve,
        targets,
        calibration,
        allocation,
        spool,
        manifest,
        writer,
        recorder,
      },
      trueSequential: values.trueSequential,
      holdout: values.holdout,
    }, context);
    const { records, resumed, statistics, phases } = pruned;
    const seconds = (performance.now() - start) / 1000, peakBytes = await context.peakMemory();
    recorder.finish(phases, peakBytes, pruned.manifest);
    const said = [
      ...aboutErrors(records),
      ...aboutHoldout(records),
      ...aboutExperts(records),
      ...aboutDamping(records, solve.damping),
    ];
    return {
      text: [
        [summary(records), ...said].join("\n"),
        `${values.out}: written in ${showSeconds(seconds)}, peak memory ${showBytes(peakBytes)}; run ${recorder.id}`,
      ].join("\n\n"),
      json: {
        ...json,
        ...statistics && { blockStatistics: { [allocation.statistic!]: statistics } },
        run: recorder.id,
        out: values.out,
        linears: records.map(({ magnitudes: _m, scores: _s, density: _d, ...report }) => report),
        resumed,
        seconds,
        phases,
        peakBytes,
        operations: await backend.seconds(),
      },
    };
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }
}

/** What `pare prune` runs. */
export const program = [pruneCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
