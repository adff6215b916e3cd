/** `deno task verify`: a recorded run, done again and compared. */
import { join, resolve } from "node:path";
import project from "../deno.json" with { type: "json" };
import { compareCommand } from "../src/cli/compare_command.ts";
import { evalCommand } from "../src/cli/eval_command.ts";
import { type Command, type Flags, parse, type Values } from "../src/cli/flags.ts";
import { pruneCommand } from "../src/cli/prune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { type Permissions, runSandboxed, showPermissions } from "../src/cli/sandbox.ts";
import { table } from "../src/cli/table.ts";
import { showShare } from "../src/cli/units.ts";
import { verifyCommand } from "../src/cli/verify_command.ts";
import { locateCheckpoint, openCheckpoint, PareError } from "../src/mod.ts";
import { compareHashes, differingBits, type Hashes } from "../src/run/compare.ts";
import { digest, maskBits } from "../src/run/digest.ts";
import { checkInputs, describeChange, MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import { defaultRegistry } from "../src/run/place.ts";
import type { Manifest, PerplexityRecord } from "../src/run/record.ts";
import { type LinearSummary, Registry } from "../src/run/registry.ts";
import { enter as enterCompare } from "./compare.ts";
import { enter as enterEval } from "./eval.ts";
import { planFlags, refuseOtherPlan } from "./planned.ts";
import { enter as enterPrune } from "./prune.ts";
import { isFile } from "./shared.ts";

type Given = Values<typeof verifyCommand.flags>;

/** What is compared with: a manifest, and where its results are known from. */
interface Original {
  readonly manifest: Manifest;
  /** The pruned model, if it is still there. */
  readonly model?: string;
  /** What the registry says of its linears. */
  readonly hashes?: readonly Hashes[];
  /** What it says of its perplexities. */
  readonly perplexities?: readonly PerplexityRecord[];
}

/** Finds a run by its id, a manifest's path or a pruned model's. */
async function find(reference: string, runs: string | undefined): Promise<Original> {
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

/** The mask and weight hashes of linears as they stand in a model, and their masks' bits. */
async function readHashes(model: string, names: readonly string[]) {
  await using checkpoint = await openCheckpoint(model);
  const hashes: Hashes[] = [], masks = new Map<string, Uint8Array>();
  for (const name of names) {
    const tensor = `${name}.weight`, bytes = (await checkpoint.read([tensor])).get(tensor)!;
    const mask = maskBits(bytes, checkpoint.tensors.get(tensor)!.dtype);
    masks.set(name, mask);
    hashes.push({ name, maskSha256: digest(mask), weightSha256: digest(bytes) });
  }
  return { hashes, masks };
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

/** Makes sure that what goes in is what went in, as far as that can be seen before anything is run. */
async function checkMoved(manifest: Manifest, { model, calibration, corpus, tokens }: Given): Promise<void> {
  if (Object.keys(instead({ model, calibration, corpus, tokens })).length) return; // the plan's hashes are compared
  const changes = await checkInputs(manifest);
  if (changes.length) throw new PareError(`what the run read has changed: ${changes.map(describeChange).join("; ")}`);
  try {
    // Relative paths of its command line are relative to there.
    Deno.chdir(manifest.directory);
  } catch {
    // Then they are absolute, or told to be missing.
  }
}

/** What every outcome says. */
interface About {
  readonly run: string;
  readonly sameBackend: boolean;
}

/** Compares perplexities by their labels: on the run's own backend every bit of them. */
function judgePerplexities(
  about: About,
  expected: readonly PerplexityRecord[],
  found: readonly PerplexityRecord[],
): Outcome {
  const perplexities = expected.map(({ label, perplexity }) => ({
    label,
    expected: perplexity,
    found: found.find((each) => each.label === label)?.perplexity,
  }));
  const first = perplexities.find(({ expected, found }) => expected !== found), identical = !first;
  const rows = perplexities.map(({ label, expected, found }) => [label, `${expected}`, `${found ?? "-"}`]);
  const shown = table(["perplexity", "run", "repetition"], rows), json = { ...about, identical, perplexities };
  if (identical) return { text: `${shown}\n\nidentical: every perplexity`, json };
  if (!about.sameBackend) return { text: `${shown}\n\non another backend than the run's`, json };
  const problem = `not identical; first ${first.label}: ${first.found ?? "none"}, the run has ${first.expected}`;
  return { text: shown, json, problems: [problem] };
}

/** Compares every mask and weight with those of the run, by their hashes, and bit by bit where its model is there. */
async function judgeLinears(
  about: About,
  original: Pick<Original, "model" | "hashes">,
  repeated: { readonly model: string; readonly linears: readonly LinearSummary[] },
): Promise<Outcome> {
  const names = repeated.linears.map(({ name }) => name);
  const before = original.model && await isFile(join(original.model, "config.json"))
    ? await readHashes(await locateCheckpoint(original.model), names)
    : undefined;
  const expected = original.hashes ?? before?.hashes;
  if (!expected) {
    throw new PareError(`${about.run}: neither its registry nor its model is here: nothing to compare with`);
  }
  const compared = compareHashes(expected, repeated.linears), after = await readHashes(repeated.model, names);
  const bits = (name: string) => before && differingBits(before.masks.get(name)!, after.masks.get(name)!);
  const weights = repeated.linears.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const different = before && names.reduce((sum, name) => sum + bits(name)!, 0);
  const agreement = compared.sameMasks === compared.linears
    ? 1
    : different === undefined
    ? undefined
    : 1 - different / weights;
  const first = compared.first && {
    ...compared.first,
    ...before && names.includes(compared.first.name) && { maskBits: bits(compared.first.name) },
  };
  const json = { ...about, ...compared, agreement, first };
  const shown = table(["linears", "same masks", "same weights", "mask agreement"], [[
    `${compared.linears}`,
    `${compared.sameMasks}`,
    `${compared.sameWeights}`,
    agreement === undefined ? "-" : showShare(agreement),
  ]]);
  if (compared.identical) return { text: `${shown}\n\nidentical: every mask and every weight`, json };
  if (!about.sameBackend) return { text: `${shown}\n\non another backend than the run's`, json };
  const where = `${first!.name}: its ${first!.what} differs` +
    (first && "maskBits" in first ? `, in ${first.maskBits} bits of the mask` : "");
  return { text: shown, json, problems: [`not identical; first ${where}`] };
}

async function main(given: Given, context: Context): Promise<Outcome> {
  const { manifest, ...original } = await find(given.run, given.runs);
  await checkMoved(manifest, given);
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
