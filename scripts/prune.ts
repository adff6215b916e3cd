/** `deno task prune`: reads the flags, composes the pass, prints what came of it. */
import { normalizeFlags, pruneCommand } from "../src/cli/prune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { showBytes, showSeconds } from "../src/cli/units.ts";
import { createWriter, sweep, tensorNames } from "../src/mod.ts";
import { labelsOf } from "../src/run/labels.ts";
import { runPrune } from "../src/run/pass/prune.ts";
import { Recorder } from "../src/run/recorder.ts";
import { describe, prepare } from "./prune/prepared.ts";
import { openExchange, shardsOf, takePart } from "./prune/ranks.ts";
import { enter, type Given } from "./prune/request.ts";
import { aboutDamping, aboutErrors, aboutExperts, aboutHoldout, aboutReconstruction, summary } from "./prune/text.ts";
import { isDone } from "./shared/written.ts";
import { expandPlans } from "./shared/plans.ts";

/** The run itself, in its sandbox. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const { terminal, signal } = context, start = performance.now();
  const values = normalizeFlags(given, (line) => terminal.note(line));
  await using task = await prepare(given, values, context);
  const { checkpoint, backend, spec, solve, allocation, json, lines } = task;
  // Hashing a model reads all of it: nobody is to wait for that who only asks how long it would take.
  // And what is not written yet has no hash that a plan could name.
  if (values.dryRun && (task.unwritten || !values.json && !given.planned)) return { text: lines.join("\n"), json };
  const manifest = await describe(task, given, values, context);
  if (values.dryRun) return { text: lines.join("\n"), json: { ...json, runPlan: manifest.plan } };
  if (given.part?.rank) return await takePart(task, given, values, manifest, context);
  const labels = labelsOf(values), { staged } = given, place = staged?.staging ?? values.out!;
  const { planId } = manifest;
  if (!values.force && await isDone(values.out!, staged, planId, Recorder.done(given.registry, manifest))) {
    Recorder.label(given.registry, planId, labels);
    sweep(place);
    return {
      text: `${values.out}: holds what this run would write, plan ${planId}; --force computes it again`,
      json: { ...json, run: planId, out: values.out, done: true },
    };
  }
  for (const line of lines) terminal.note(line);

  const targets = [...task.targets.values()].flat().map(({ name }) => `${name}.weight`);
  await using writer = await createWriter(checkpoint, place, {
    force: values.force,
    sink: context.sink,
    // What is permuted is written with what is pruned; nobody else knows its names.
    coming: values.permute ? undefined : new Set(targets),
    plan: planId,
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
  await using exchange = await openExchange(given, values, manifest, signal);
  using recorder = Recorder.begin(given.registry, manifest, { out: values.out, resumes: values.resume, labels });
  try {
    const pruned = await runPrune(
      { ...task, shards: shardsOf(given, values, exchange), manifest, writer, recorder },
      context,
    );
    await exchange?.finish();
    const { records, resumed, statistics, reconstructions, phases } = pruned;
    const seconds = (performance.now() - start) / 1000, peakBytes = await context.peakMemory();
    recorder.finish(phases, peakBytes, { manifest: pruned.manifest });
    const said = [
      ...aboutErrors(records),
      ...aboutHoldout(records),
      ...aboutExperts(records),
      ...aboutDamping(records, solve.damping),
      ...aboutReconstruction(reconstructions),
    ];
    return {
      text: [
        [summary(records), ...said].join("\n"),
        `${values.out}: written in ${showSeconds(seconds)}, peak memory ${showBytes(peakBytes)}; run ${recorder.id}`,
      ].join("\n\n"),
      json: {
        ...json,
        ...statistics && { blockStatistics: { [allocation.statistic!]: statistics } },
        ...reconstructions.length > 0 && { reconstructions },
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
export const program = [pruneCommand, main, {
  module: import.meta.url,
  enter,
  expand: (args: readonly string[]) => expandPlans(args, (line) => line),
}] as const;

if (import.meta.main) await run(...program);
