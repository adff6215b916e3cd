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
  outlierRatios,
  owlRequests,
  PareError,
  planPrune,
  type Progress,
  prune,
  readSpec,
  release,
  type SparsityMap,
  sweep,
  tensorNames,
} from "../src/mod.ts";
import { CARD_FILE, modelCard } from "../src/run/card.ts";
import { MANIFEST_FILE, manifestText, publicManifest } from "../src/run/manifest.ts";
import { digest } from "../src/run/digest.ts";
import { canonicalJson } from "../src/run/plan.ts";
import { drawings } from "../src/run/measures.ts";
import type { Json, LinearRecord, Manifest } from "../src/run/record.ts";
import { corpusOf, describeRun, hubId } from "../src/run/describe.ts";
import { labelsOf } from "../src/run/labels.ts";
import { Recorder } from "../src/run/recorder.ts";
import { refuseOtherPlan } from "./planned.ts";
import { enter, type Given, readMap, understand } from "./prune_request.ts";
import { aboutDamping, aboutErrors, aboutExperts, planLines, summary } from "./prune_text.ts";
import { blockPosition, defaultSeqlen, downloads } from "./shared.ts";
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

/** What stands in a journal: a block's records, or the outliers that OWL shares out sparsity by. */
type Entry = { readonly linears: readonly LinearRecord[] } | { readonly ratios: readonly number[] };

/** The run itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, start = performance.now();
  const values = settle(given, (line) => terminal.note(line));
  const { method, request, solve, owl, calibrated } = understand(values);
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
    outliers: owl ? calibration : undefined,
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
  const entries = writer.steps.map(({ entry }) => entry as Entry);
  if (values.resume) {
    terminal.note(entries.length ? `going on after ${entries.length} finished steps` : "nothing to go on with");
  } else if (writer.dropped) {
    terminal.note("what a run that ended early had left is dropped; --resume would have gone on with it");
  }
  using recorder = Recorder.begin(given.registry, manifest, { out: values.out, resumes: values.resume, labels });
  try {
    return await work();
  } catch (error) {
    recorder.fail(error, signal.aborted);
    throw error;
  }

  async function work(): Promise<Outcome> {
    const phases: Record<string, number> = {};
    let since = performance.now();
    const lap = (phase: string) => {
      const now = performance.now();
      phases[phase] = (now - since) / 1000;
      since = now;
    };
    const pass = {
      checkpoint,
      backend,
      spool,
      signal,
      onProgress: (progress: Progress) => {
        const { phase, block, blocks, tokens, totalTokens } = progress;
        recorder.progress({ phase, block, blocks, done: tokens, total: totalTokens });
        terminal.progress(blockPosition(progress));
      },
    };
    let ratios = entries.flatMap((entry) => "ratios" in entry ? [entry.ratios] : []).at(0);
    if (owl && !ratios) {
      terminal.note("counting the outliers of every block of the dense model");
      ratios = await outlierRatios({ ...pass, calibration: calibration! });
      writer.step({ ratios } satisfies Entry);
      lap("outliers");
    }

    const drawn = new Map<string, ReturnType<typeof drawings>>();
    const hashes = new Map<string, Pick<LinearRecord, "maskSha256" | "weightSha256">>();
    const finished = entries.flatMap((entry) => "linears" in entry ? entry.linears : []);
    for (const record of finished) recorder.linear(record);
    const records = [...finished];
    const found = await prune({
      ...pass,
      method,
      request: owl ? owlRequests(targets, request, ratios!) : requests,
      solve,
      targets,
      calibration,
      trueSequential: values.trueSequential,
      finished: { blocks: new Set(finished.map(({ block }) => block)), read: (name) => writer.read(name) },
      readBack: (name) => writer.read(name),
      onDistribution: (linear, distribution) => void drawn.set(linear, drawings(distribution)),
      write: async (name, bytes, kept) => {
        const maskSha256 = digest(kept), weightSha256 = await writer.write(name, bytes);
        hashes.set(name, { maskSha256, weightSha256 });
        release(bytes, kept);
      },
      onBlock: (block, linears) => {
        const own = linears.map((report): LinearRecord => ({
          ...report,
          block,
          ...hashes.get(`${report.name}.weight`)!,
          ...drawn.get(report.name)!,
        }));
        for (const known of [hashes, drawn]) known.clear();
        writer.step({ linears: own } satisfies Entry);
        for (const record of own) recorder.linear(record);
        records.push(...own);
      },
    });
    lap("prune");
    const baseCard = await readCard(checkpoint, terminal);
    let complete = manifest;
    await writer.finish((written) => {
      complete = { ...manifest, outputs: written.filter(({ path }) => path !== CARD_FILE && path !== MANIFEST_FILE) };
      return beside(complete, checkpoint, baseCard, records);
    });
    lap("write");
    const seconds = (performance.now() - start) / 1000, peakBytes = await context.peakMemory();
    recorder.finish(phases, peakBytes, complete);
    const text = [
      [summary(records), ...aboutErrors(records), ...aboutExperts(records), ...aboutDamping(records, solve.damping)]
        .join("\n"),
      `${values.out}: written in ${showSeconds(seconds)}, peak memory ${showBytes(peakBytes)}; run ${recorder.id}`,
    ].join("\n\n");
    return {
      text,
      json: {
        ...json,
        ...ratios && { outlierRatios: ratios },
        run: recorder.id,
        out: values.out,
        linears: records.map(({ magnitudes: _m, scores: _s, density: _d, ...report }) => report),
        resumed: records.length - found.length,
        seconds,
        phases,
        peakBytes,
        operations: await backend.seconds(),
      },
    };
  }
}

/** The base's own card, where it has one that can be read. */
async function readCard(checkpoint: Checkpoint, terminal: Context["terminal"]): Promise<string | undefined> {
  try {
    return await checkpoint.readText(CARD_FILE);
  } catch (error) {
    // A text that cannot be read is no reason to throw hours of work away.
    if (!(error instanceof PareError)) throw error;
    terminal.note(`the base's model card is left out of account: ${error.message}`);
  }
}

/** The files that a pruned model gets beside its own: its manifest, and its card in place of the base's. */
function beside(
  whole: Manifest,
  checkpoint: Checkpoint,
  baseCard: string | undefined,
  linears: readonly LinearRecord[],
): Record<string, string> {
  const manifest = publicManifest(whole, { name: whole.plan.model.name, path: checkpoint.path });
  return {
    [MANIFEST_FILE]: manifestText(manifest),
    [CARD_FILE]: modelCard({ manifest, baseId: hubId(checkpoint.path), baseCard, linears }),
  };
}

/** What `pare prune` runs. */
export const program = [pruneCommand, main, { module: import.meta.url, enter }] as const;

if (import.meta.main) await run(...program);
