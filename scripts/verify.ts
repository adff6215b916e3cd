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
import { checkInputs, describeChange, MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import { defaultRegistry } from "../src/run/place.ts";
import type { Manifest } from "../src/run/record.ts";
import { Registry } from "../src/run/registry.ts";
import { enter as enterCompare } from "./compare_request.ts";
import { enter as enterEval } from "./eval.ts";
import { judgeLinears, judgePerplexities, type Original } from "./judge.ts";
import { planFlags, refuseOtherPlan } from "./planned.ts";
import { enter as enterPrune } from "./prune_request.ts";
import { isFile } from "./shared.ts";

type Given = Values<typeof verifyCommand.flags>;

/** Finds a run by its id, a manifest's path or a pruned model's. */
async function find(reference: string, runs: string | undefined): Promise<Original & { readonly manifest: Manifest }> {
  const path = await isFile(join(reference, MANIFEST_FILE)) ? join(reference, MANIFEST_FILE) : reference;
  if (await isFile(path)) {
    const manifest = parseManifest(await Deno.readTextFile(path), path), directory = resolve(path, "..");
    return { manifest, model: await isFile(join(directory, "config.json")) ? directory : undefined };
  }
  using registry = Registry.open(resolve(runs ?? defaultRegistry()), { mode: "read" });
  const found = registry.get(reference);
  if (!found) {
    throw new PareError(`${reference}: neither a run of the registry nor a manifest; deno task serve shows runs`);
  }
  if (found.status !== "finished") {
    throw new PareError(`run ${reference} is ${found.status}: there is nothing to compare`);
  }
  const { manifest, out, perplexities } = found;
  return manifest.plan.kind === "prune"
    ? { manifest, model: out, hashes: registry.layers(found.id) }
    : { manifest, perplexities };
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
 * results.
 */
async function repeat(
  { args, plan }: Manifest,
  given: Given,
  places: { readonly out: string; readonly runs: string },
  context: Context,
): Promise<Again> {
  const { model, calibration, corpus, tokens, backend = plan.backend, workers, spool } = given;
  const common = { ...instead({ model, workers, spool }), backend, runs: places.runs };
  const out = { out: places.out, force: false };
  switch (plan.kind) {
    case "prune": {
      const own = { ...planFlags(flagsOf(pruneCommand, args), plan), ...instead({ calibration }), ...common, ...out };
      const again = { ...own, save: undefined, plan: undefined, resume: false, dryRun: false };
      const { values, permissions } = await enterPrune(again, context);
      return {
        module: "./prune.ts",
        values: { ...values, planned: { ...plan, pare: project.version } },
        permissions,
      };
    }
    case "eval": {
      const own = { ...flagsOf(evalCommand, args), ...instead({ corpus, tokens }), ...common, card: false };
      return { module: "./eval.ts", ...await enterEval(own, context) };
    }
    case "compare": {
      const own = { ...flagsOf(compareCommand, args), ...instead({ calibration, corpus, tokens }) };
      return { module: "./compare.ts", ...await enterCompare({ ...own, ...common, ...out }, context) };
    }
  }
}

/** Makes sure that what went in still stands where it stood, unchanged. */
async function refuseChanged(manifest: Manifest): Promise<void> {
  const changes = await checkInputs(manifest);
  if (changes.length) throw new PareError(`what the run read has changed: ${changes.map(describeChange).join("; ")}`);
}

/** Goes where the command was given: relative paths of its command line are relative to there. */
function goTo(directory: string): void {
  try {
    Deno.chdir(directory);
  } catch {
    // Then they are absolute, or told to be missing.
  }
}

async function main(given: Given, context: Context): Promise<Outcome> {
  const { manifest, ...original } = await find(given.run, given.runs);
  const { model, calibration, corpus, tokens } = given;
  if (!Object.keys(instead({ model, calibration, corpus, tokens })).length) {
    await refuseChanged(manifest);
    goTo(manifest.directory);
  } // else the hashes of the plan are compared
  const folder = await Deno.makeTempDir({ prefix: "pare-verify-" });
  try {
    const places = { out: `${folder}/result`, runs: `${folder}/runs.db` };
    const { module, values, permissions } = await repeat(manifest, given, places, context);
    if (given.explainPermissions) return { text: showPermissions(permissions), json: { permissions } };
    await runSandboxed(new URL(module, import.meta.url).href, values, context, permissions);

    using repeated = Registry.open(places.runs, { mode: "read" });
    const [newest] = repeated.list({ limit: 1 }).runs, { plan } = newest.manifest;
    refuseOtherPlan({ ...manifest.plan, pare: plan.pare }, plan, "the run's plan");
    const about = { run: manifest.planId, sameBackend: plan.backend === manifest.plan.backend };
    if (manifest.plan.kind !== "prune") {
      return judgePerplexities(about, original.perplexities ?? [], newest.perplexities);
    }
    return await judgeLinears(about, original, { model: places.out, linears: repeated.layers(newest.id) });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await run(verifyCommand, main);
