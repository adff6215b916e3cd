/** `deno task verify`: a recorded run, done again and compared. */
import { join } from "node:path";
import { type Context, type Outcome, run } from "../src/cli/run.ts";
import { runSandboxed, type RunShut, showPermissions } from "../src/cli/sandbox.ts";
import { verifyCommand } from "../src/cli/verify_command.ts";
import { isRemote, locateRemote, PareError } from "../src/mod.ts";
import { refuseOtherPlan } from "../src/run/asked.ts";
import { type Change, describeChange } from "../src/run/manifest.ts";
import { numericDifferences } from "../src/run/numerics.ts";
import { Registry } from "../src/run/registry.ts";
import type { Case } from "./verify/judge.ts";
import { judgeOutputs } from "./verify/judge_outputs.ts";
import { judgeMeasured } from "./verify/judge_measured.ts";
import { PermissionSet } from "./shared/sandbox.ts";
import { isFile } from "./shared/common.ts";
import { checkElsewhere } from "./verify/elsewhere.ts";
import { find, type Found, measuredOf, writesModel } from "./verify/found.ts";
import { type Given, repeat } from "./verify/repeat.ts";
import { checkInSandbox } from "./shared/written.ts";

/** Holds a pruned model against what is recorded of it; nothing is computed. */
async function verifyFast({ manifest, hashes, ...found }: Found, context: Context, shut: RunShut): Promise<Outcome> {
  const model = found.folder ?? found.model;
  const { planId: run, outputs } = manifest;
  if (!writesModel(manifest)) {
    throw new PareError(`${run}: --fast is for models that a run wrote, and this run wrote none`);
  }
  if (model === undefined || !outputs && !hashes) {
    const what = model === undefined
      ? "its model is not here"
      : "it is of an older Pare, and has no hashes of what it wrote";
    throw new PareError(`${run}: ${what}; without --fast it is run again`);
  }
  const report = (changes: readonly Change[]): Outcome => {
    const identical = !changes.length, json = { run, fast: true, identical, files: outputs!.length, changes };
    return identical ? { text: `identical: ${outputs!.length} files are those that the run wrote`, json } : {
      text: "",
      json,
      problems: changes.map((change) => `not what the run wrote: ${describeChange(change, "wrote")}`),
    };
  };
  // Nothing of it is read but hashed, by the process that has the means to.
  if (isRemote(model) && outputs) return report(await checkElsewhere(await locateRemote(model), outputs));
  const allowed = new PermissionSet();
  if (await isFile(join(model, "config.json"))) await allowed.model(model, {});
  else allowed.read(model);
  if (!outputs) {
    const judge = new URL("./verify/judge.ts", import.meta.url).href;
    return await shut(judge, { run, model, hashes }, context, allowed.permissions);
  }
  const paths = outputs.map((file) => ({ ...file, path: join(model, file.path) }));
  return report(await checkInSandbox(paths, allowed, context, shut));
}

/**
 * Finds the run, repeats it in a sandbox and compares.
 * @param shut How a module's `main` is run in a sandbox.
 */
export async function main(given: Given, context: Context, shut: RunShut = runSandboxed): Promise<Outcome> {
  const found = await find(given.run, given.runs), { manifest, measured, folder: _, ...original } = found;
  if (given.fast) return await verifyFast(found, context, shut);
  const folder = await Deno.makeTempDir({ prefix: "pare-verify-" });
  try {
    const places = { out: `${folder}/result`, runs: `${folder}/runs.db` };
    const { module, values, permissions } = await repeat(found, given, places, context, shut);
    if (given.explainPermissions) return { text: showPermissions(permissions), json: { permissions } };
    await shut(new URL(module, import.meta.url).href, values, context, permissions);

    using repeated = Registry.open(places.runs, { mode: "read" });
    const [newest] = repeated.list({ limit: 1 }).runs, { plan, outputs = [] } = newest.manifest;
    refuseOtherPlan({ ...manifest.plan, pare: plan.pare }, plan, "the run's plan");
    const about = {
      run: manifest.planId,
      sameBackend: plan.backend === manifest.plan.backend,
      differences: numericDifferences(manifest, newest.manifest),
    };
    if (manifest.plan.kind === "finetune") {
      return judgeOutputs(about, manifest.outputs ?? [], newest.manifest.outputs ?? []);
    }
    if (manifest.plan.kind !== "prune") {
      return judgeMeasured(about, measured!, measuredOf(repeated, newest));
    }
    const allowed = new PermissionSet(), { model } = original;
    await allowed.model(places.out, {});
    // What the registry knows of it is enough of one that lies elsewhere.
    const elsewhere = model !== undefined && isRemote(model) && !original.hashes;
    if (model !== undefined && (elsewhere || await isFile(join(model, "config.json")))) {
      await allowed.model(model, {}, elsewhere ? true : undefined);
    }
    const asked = {
      about,
      original,
      ...elsewhere && { remote: allowed.remote },
      repeated: { model: places.out, linears: repeated.layers(newest.id), outputs },
    };
    return await shut(
      new URL("./verify/judge.ts", import.meta.url).href,
      asked satisfies Case,
      context,
      allowed.permissions,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What `pare verify` runs. */
export const program = [verifyCommand, main] as const;

if (import.meta.main) await run(...program);
