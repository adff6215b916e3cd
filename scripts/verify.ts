/** `deno task verify`: a recorded run, done again and compared. */
import { join, resolve } from "node:path";
import project from "../deno.json" with { type: "json" };
import { compareCommand } from "../src/cli/compare_command.ts";
import { evalCommand } from "../src/cli/eval_command.ts";
import { type Command, type Flags, parse, type Values } from "../src/cli/flags.ts";
import { pruneCommand } from "../src/cli/prune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { type Permissions, runSandboxed, showPermissions } from "../src/cli/sandbox.ts";
import { verifyCommand } from "../src/cli/verify_command.ts";
import { PareError } from "../src/mod.ts";
import { describeChange, MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import { numericDifferences } from "../src/run/numerics.ts";
import { defaultRegistry } from "../src/run/place.ts";
import type { Manifest, RunRecord } from "../src/run/record.ts";
import { Registry } from "../src/run/registry.ts";
import { enter as enterCompare } from "./compare_request.ts";
import { enter as enterEval } from "./eval_request.ts";
import type { Case, Original } from "./judge.ts";
import { judgeMeasured, type Measured } from "./judge_measured.ts";
import { planFlags, refuseOtherPlan } from "./planned.ts";
import { enter as enterPrune } from "./prune_request.ts";
import { inputsHere, type Read, refuseChanges, relocate } from "./relocate.ts";
import { Reach } from "./sandbox.ts";
import { isFile } from "./shared.ts";
import { checkInSandbox } from "./written.ts";

type Given = Values<typeof verifyCommand.flags>;

/** A run, with what is known of its results, and the folder of the manifest that it was found by. */
type Found = Original & { readonly manifest: Manifest; readonly measured?: Measured; readonly folder?: string };

/** Finds a run by its id, a manifest's path or a pruned model's. */
async function find(reference: string, runs: string | undefined): Promise<Found> {
  const path = await isFile(join(reference, MANIFEST_FILE)) ? join(reference, MANIFEST_FILE) : reference;
  const registryPath = resolve(runs ?? defaultRegistry());
  if (await isFile(path)) {
    const manifest = parseManifest(await Deno.readTextFile(path), path), folder = resolve(path, "..");
    return {
      manifest: await isFile(registryPath) ? withPlaces(manifest, registryPath) : manifest,
      model: await isFile(join(folder, "config.json")) ? folder : undefined,
      folder,
    };
  }
  using registry = Registry.open(registryPath, { mode: "read" });
  const found = registry.search(reference);
  if (!found) {
    throw new PareError(`${reference}: neither a run of the registry nor a manifest; pare runs list shows runs`);
  }
  if (found.status !== "finished") {
    throw new PareError(`run ${reference} is ${found.status}: there is nothing to compare`);
  }
  const { manifest, out } = found;
  return manifest.plan.kind === "prune"
    ? { manifest, model: out, hashes: registry.layers(found.id) }
    : { manifest, measured: measuredOf(registry, found) };
}

/** All that was measured in a run. */
function measuredOf(registry: Registry, { id, perplexities, tasks }: RunRecord): Measured {
  return { perplexities, tasks: tasks.map((record) => ({ record, documents: registry.documents(id, record) ?? [] })) };
}

/** A manifest that travels, with what only the registry of where it was made knows: where things stood, what was written. */
function withPlaces(manifest: Manifest, registryPath: string): Manifest {
  // One of before tells the places itself, and its plan does not name the kernels: it may be of other ones.
  if (manifest.directory !== undefined) return manifest;
  try {
    using registry = Registry.open(registryPath, { mode: "read" });
    const recorded = registry.finishedRun(manifest.planId)?.manifest;
    if (!recorded) return manifest;
    const { args, directory, inputs, outputs = manifest.outputs } = recorded;
    return { ...manifest, args, directory, inputs, ...outputs && { outputs } };
  } catch (error) {
    // A registry that is damaged or of another Pare knows nothing of this manifest, which can be verified without it.
    if (!(error instanceof PareError)) throw error;
    return manifest;
  }
}

/** A command's own flags out of a manifest. */
function flagsOf<F extends Flags>(command: Command<F>, args: readonly string[]): Values<F> {
  const values = parse(command, args);
  if (values === "help") throw new PareError("the run's command line asks for help");
  return values;
}

/** What is given in the place of a run's own flags; what is not given is left out. */
function instead<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter((entry) => entry[1] !== undefined)) as Partial<T>;
}

/** A run to be done again: its module, what that is to get, and what it may touch. */
interface Again {
  readonly module: string;
  readonly values: unknown;
  readonly permissions: Permissions;
}

/**
 * What the plan says, on the paths of the run's own command line or those that were given, with another place for its
 * results. Before, what stands at the run's own paths is held against what the run read.
 */
async function repeat(
  { manifest, folder }: Found,
  given: Given,
  places: { readonly out: string; readonly runs: string },
  context: Context,
): Promise<Again> {
  const { args, plan } = manifest,
    { model, calibration, corpus, tokens, taskData, backend = plan.backend, workers, spool } = given;
  const reads = instead({ model, calibration, corpus, tokens, taskData });
  /** A run's own flags, with paths that hold here. */
  const prepare = async <R extends Read>(flags: R): Promise<R> => {
    const own = await relocate({ ...flags, ...reads }, reads, manifest, folder);
    // Of what is given in the place of what the run read, the hashes of the plan are compared.
    if (!Object.keys(reads).length && !given.explainPermissions) {
      const here = await inputsHere(manifest, own), reach = new Reach();
      for (const { path } of here) reach.read(path);
      refuseChanges(await checkInSandbox(here, reach, context));
    }
    return own;
  };
  const common = { workers, spool, backend, runs: places.runs };
  const out = { out: places.out, force: false };
  // An older Pare did not record the benchmarks that were asked along.
  const alone = !plan.tasks && { tasks: undefined, taskData: undefined, shots: undefined, limit: undefined };
  switch (plan.kind) {
    case "prune": {
      const own = { ...planFlags(await prepare(flagsOf(pruneCommand, args)), plan), ...common, ...out };
      const again = { ...own, save: undefined, plan: undefined, resume: false, dryRun: false };
      const { values, permissions } = await enterPrune(again, context);
      return {
        module: "./prune.ts",
        values: { ...values, planned: { ...plan, pare: project.version } },
        permissions,
      };
    }
    case "eval": {
      const flags = { ...flagsOf(evalCommand, args), ...alone };
      const own = { ...await prepare(flags), ...common, card: false, logSamples: undefined };
      return { module: "./eval.ts", ...await enterEval(own, context) };
    }
    case "compare": {
      const own = { ...await prepare({ ...flagsOf(compareCommand, args), ...alone }), ...common, ...out };
      return { module: "./compare.ts", ...await enterCompare(own, context) };
    }
  }
}

/** Holds a pruned model against what is recorded of it; nothing is computed. */
async function verifyFast({ manifest, hashes, ...found }: Found, context: Context): Promise<Outcome> {
  const model = found.folder ?? found.model;
  const { planId: run, outputs } = manifest;
  if (manifest.plan.kind !== "prune") {
    throw new PareError(`${run}: --fast is for pruned models, and this run wrote none`);
  }
  if (model === undefined || !outputs && !hashes) {
    const what = model === undefined
      ? "its model is not here"
      : "it is of an older Pare, and has no hashes of what it wrote";
    throw new PareError(`${run}: ${what}; without --fast it is run again`);
  }
  const reach = new Reach();
  if (await isFile(join(model, "config.json"))) await reach.model(model, {});
  else reach.read(model);
  if (!outputs) {
    const judge = new URL("./judge.ts", import.meta.url).href;
    return await runSandboxed(judge, { run, model, hashes }, context, reach.permissions);
  }
  const paths = outputs.map((file) => ({ ...file, path: join(model, file.path) }));
  const changes = await checkInSandbox(paths, reach, context), identical = !changes.length;
  const json = { run, fast: true, identical, files: outputs.length, changes };
  return identical ? { text: `identical: ${outputs.length} files are those that the run wrote`, json } : {
    text: "",
    json,
    problems: changes.map((change) => `not what the run wrote: ${describeChange(change, "wrote")}`),
  };
}

/** Finds the run, repeats it in a sandbox and compares. */
export async function main(given: Given, context: Context): Promise<Outcome> {
  const found = await find(given.run, given.runs), { manifest, measured, folder: _, ...original } = found;
  if (given.fast) return await verifyFast(found, context);
  const folder = await Deno.makeTempDir({ prefix: "pare-verify-" });
  try {
    const places = { out: `${folder}/result`, runs: `${folder}/runs.db` };
    const { module, values, permissions } = await repeat(found, given, places, context);
    if (given.explainPermissions) return { text: showPermissions(permissions), json: { permissions } };
    await runSandboxed(new URL(module, import.meta.url).href, values, context, permissions);

    using repeated = Registry.open(places.runs, { mode: "read" });
    const [newest] = repeated.list({ limit: 1 }).runs, { plan, outputs = [] } = newest.manifest;
    refuseOtherPlan({ ...manifest.plan, pare: plan.pare }, plan, "the run's plan");
    const about = {
      run: manifest.planId,
      sameBackend: plan.backend === manifest.plan.backend,
      differences: numericDifferences(manifest, newest.manifest),
    };
    if (manifest.plan.kind !== "prune") {
      return judgeMeasured(about, measured!, measuredOf(repeated, newest));
    }
    const reach = new Reach(), model = original.model && await isFile(join(original.model, "config.json"));
    for (const each of [places.out, ...model ? [original.model!] : []]) await reach.model(each, {});
    const asked = { about, original, repeated: { model: places.out, linears: repeated.layers(newest.id), outputs } };
    return await runSandboxed(
      new URL("./judge.ts", import.meta.url).href,
      asked satisfies Case,
      context,
      reach.permissions,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What `pare verify` runs. */
export const program = [verifyCommand, main] as const;

if (import.meta.main) await run(...program);
