/** `deno task verify`: a recorded prune, run again and compared. */
import { join, resolve } from "node:path";
import { parse, type Values } from "../src/cli/flags.ts";
import { pruneCommand } from "../src/cli/prune_command.ts";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { runSandboxed, showPermissions } from "../src/cli/sandbox.ts";
import { table } from "../src/cli/table.ts";
import { showShare } from "../src/cli/units.ts";
import { verifyCommand } from "../src/cli/verify_command.ts";
import { locateCheckpoint, openCheckpoint, PareError } from "../src/mod.ts";
import { compareHashes, differingBits, type Hashes } from "../src/run/compare.ts";
import { digest, maskBits } from "../src/run/digest.ts";
import { checkInputs, describeChange, MANIFEST_FILE, parseManifest } from "../src/run/manifest.ts";
import { defaultRegistry } from "../src/run/place.ts";
import type { Manifest } from "../src/run/record.ts";
import { Registry } from "../src/run/registry.ts";
import { planFlags } from "./planned.ts";
import { enter } from "./prune.ts";
import { isFile } from "./shared.ts";

/** What is compared with: a manifest, and where its results are known from. */
interface Original {
  readonly manifest: Manifest;
  /** The pruned model, if it is still there. */
  readonly model?: string;
  /** What the registry says of its linears. */
  readonly hashes?: readonly Hashes[];
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
  return { manifest: found.manifest, model: found.out, hashes: registry.layers(found.id) };
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

async function main(values: Values<typeof verifyCommand.flags>, context: Context): Promise<Outcome> {
  const { terminal } = context;
  const original = await find(values.run, values.runs), { manifest } = original;
  if (manifest.plan.kind !== "prune") {
    throw new PareError(`${values.run} is a run of ${manifest.plan.kind}; only those of prune can be verified`);
  }
  const changes = await checkInputs(manifest);
  if (changes.length) throw new PareError(`what the run read has changed: ${changes.map(describeChange).join("; ")}`);

  // What the plan says, on the paths of the run's own command line, with another place for its results.
  const folder = await Deno.makeTempDir({ prefix: "pare-verify-" });
  try {
    const out = `${folder}/model`, registry = `${folder}/runs.db`;
    const own = parse(pruneCommand, manifest.args);
    if (own === "help") throw new PareError(`${values.run}: its command line asks for help`);
    const planned = { ...planFlags(own, manifest.plan), plan: undefined };
    const again = { ...planned, out, save: undefined, runs: registry, force: false, resume: false, dryRun: false };
    const backend = values.backend ?? manifest.plan.backend, workers = values.workers ?? own.workers;
    const { values: entered, permissions } = await enter({
      ...again,
      backend,
      workers,
      spool: values.spool ?? own.spool,
    }, context);
    if (values.explainPermissions) return { text: showPermissions(permissions), json: { permissions } };
    await runSandboxed(new URL("./prune.ts", import.meta.url).href, entered, context, permissions);

    using repeated = Registry.open(registry, { mode: "read" });
    const [newest] = repeated.list({ limit: 1 }).runs, found = repeated.layers(newest.id);
    const names = found.map(({ name }) => name);
    const before = original.model && await isFile(join(original.model, "config.json"))
      ? await readHashes(await locateCheckpoint(original.model), names)
      : undefined;
    const expected = original.hashes ?? before?.hashes;
    if (!expected) {
      throw new PareError(`${values.run}: neither its registry nor its model is here: nothing to compare with`);
    }
    const compared = compareHashes(expected, found), same = newest.manifest.plan.backend === manifest.plan.backend;
    const after = await readHashes(out, names);
    const bits = (name: string) => before && differingBits(before.masks.get(name)!, after.masks.get(name)!);
    const weights = found.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
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
    terminal.note(`compared ${compared.linears} linears with ${original.hashes ? "the registry" : "the model"}`);
    const json = {
      run: manifest.planId,
      sameBackend: same,
      ...compared,
      agreement,
      first,
    };
    const shown = table(["linears", "same masks", "same weights", "mask agreement"], [[
      `${compared.linears}`,
      `${compared.sameMasks}`,
      `${compared.sameWeights}`,
      agreement === undefined ? "-" : showShare(agreement),
    ]]);
    if (compared.identical) return { text: `${shown}\n\nidentical: every mask and every weight`, json };
    const where = `${first!.name}: its ${first!.what} differs` +
      (first && "maskBits" in first ? `, in ${first.maskBits} bits of the mask` : "");
    if (!same) return { text: `${shown}\n\non another backend than the run's (${manifest.plan.backend})`, json };
    return { text: shown, json, problems: [`not identical; first ${where}`] };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await run(verifyCommand, main);
