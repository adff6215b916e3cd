/** The run that `verify` is asked about: in the registry, or by the manifest beside a pruned model. */
import { join, resolve } from "node:path";
import { isRemote, locateRemote, PareError } from "../../src/mod.ts";
import { MANIFEST_FILE, parseManifest } from "../../src/run/manifest.ts";
import { defaultRegistry } from "../../src/run/place.ts";
import type { Manifest, RunRecord, TaskRecord } from "../../src/run/record.ts";
import { Registry } from "../../src/run/registry.ts";
import type { Original } from "./judge.ts";
import type { Measured } from "./judge_measured.ts";
import { isFile } from "../shared/common.ts";
import { manifestOf } from "./elsewhere.ts";

/** A run, with what is known of its results, and the folder of the manifest that it was found by. */
export type Found = Original & { readonly manifest: Manifest; readonly measured?: Measured; readonly folder?: string };

/** Finds a run by its id, a manifest's path or a pruned model's. */
export async function find(reference: string, runs: string | undefined): Promise<Found> {
  if (isRemote(reference)) {
    const manifest = await manifestOf(await locateRemote(reference)), registryPath = resolve(runs ?? defaultRegistry());
    return { manifest: await isFile(registryPath) ? withPlaces(manifest, registryPath) : manifest, model: reference };
  }
  const path = await isFile(join(reference, MANIFEST_FILE)) ? join(reference, MANIFEST_FILE) : reference;
  const registryPath = resolve(runs ?? defaultRegistry());
  if (await isFile(path)) {
    const manifest = parseManifest(await Deno.readTextFile(path), path), folder = resolve(path, "..");
    if (!writesModel(manifest)) {
      return { manifest, folder, measured: await recordedOf(manifest, path, registryPath) };
    }
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
  if (!writesModel(manifest)) return { manifest, measured: measuredOf(registry, found) };
  const layers = registry.layers(found.id);
  return { manifest, model: out, ...manifest.plan.kind === "prune" && { hashes: layers } };
}

/** Whether a run leaves a model, whose files its manifest names. */
export function writesModel({ plan: { kind } }: Manifest): boolean {
  return kind === "prune" || kind === "finetune";
}

/**
 * What came of the run of a manifest, which does not tell it itself.
 * @throws PareError if the registry does not know it.
 */
async function recordedOf({ planId, plan }: Manifest, path: string, registryPath: string): Promise<Measured> {
  if (await isFile(registryPath)) {
    using registry = Registry.open(registryPath, { mode: "read" });
    const run = registry.finishedRun(planId);
    if (run) return measuredOf(registry, run);
  }
  throw new PareError(
    `${path}: what came of this run of ${plan.kind} is in its registry alone, and ${registryPath} does not have it: ` +
      "nothing to compare with",
  );
}

/** All that was measured in a run. */
export function measuredOf(registry: Registry, { id, perplexities, tasks, texts = [] }: RunRecord): Measured {
  const documents = (record: TaskRecord) => registry.documents(id, record) ?? [];
  return { perplexities, tasks: tasks.map((record) => ({ record, documents: documents(record) })), texts };
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
