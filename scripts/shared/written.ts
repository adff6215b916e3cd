/** Whether a directory still holds what a run has written there: its files by their sizes and hashes. */
import { join } from "node:path";
import type { Context, Outcome } from "../../src/cli/run.ts";
import type { RunShut } from "../../src/cli/sandbox.ts";
import { PareError } from "../../src/mod.ts";
import { type Change, checkFiles, describeChange, MANIFEST_FILE, parseManifest } from "../../src/run/manifest.ts";
import type { InputFile, Manifest } from "../../src/run/record.ts";
import type { PermissionSet, Staged } from "./sandbox.ts";
import { isFile } from "./common.ts";

/** What differs in a directory from what was written there, by the files' names. */
export async function checkWritten(directory: string, outputs: readonly InputFile[]): Promise<Change[]> {
  const changes = await checkFiles(outputs.map((file) => ({ ...file, path: join(directory, file.path) })));
  return changes.map((change) => ({ ...change, path: change.path.slice(join(directory, "x").length - 1) }));
}

/**
 * Whether an output is the finished result of a plan: its manifest says so, and its files are those that were written. What
 * the registry knows of another run of the plan counts for more than what lies beside the files.
 * @param staged What was found there, of an output that goes elsewhere.
 * @param recorded The manifest of a finished run of the plan, if there is one.
 * @throws PareError if it was such a result, and is none any more.
 */
export async function isDone(
  out: string,
  staged: Staged | undefined,
  planId: string,
  recorded: Manifest | undefined,
): Promise<boolean> {
  if (staged) return isThere(out, staged, planId, recorded);
  const path = join(out, MANIFEST_FILE);
  if (!await isFile(path)) return false;
  const manifest = parseManifest(await Deno.readTextFile(path), path), outputs = recorded?.outputs ?? manifest.outputs;
  if (manifest.planId !== planId || !outputs) return false;
  const [change] = await checkWritten(out, outputs);
  if (!change) return true;
  const found = describeChange(change, "wrote");
  throw new PareError(`${out} is not what plan ${planId} gave any more: ${found}; --force computes it again`);
}

/**
 * The same of a place elsewhere, by what was found there.
 * @throws PareError also if something else is there: it was not asked to be replaced.
 */
function isThere(
  out: string,
  { files, manifest: text }: Staged,
  planId: string,
  recorded: Manifest | undefined,
): boolean {
  // Without its config it is no model: a run that ended early has left it.
  if (text === undefined || !files.some(({ name }) => name === "config.json")) return false;
  const manifest = parseManifest(text, `${out}/${MANIFEST_FILE}`), outputs = recorded?.outputs ?? manifest.outputs;
  if (manifest.planId !== planId || !outputs) {
    throw new PareError(`the output ${out} exists and is not empty; --force replaces it`);
  }
  const found = new Map(files.map((file) => [file.name, file]));
  const other = outputs.find(({ path, sha256 }) => found.get(path)?.sha256 !== sha256);
  if (!other) return true;
  const how = found.has(other.path) ? "another content" : "not there any more";
  throw new PareError(
    `${out} is not what plan ${planId} gave any more: ${other.path}: ${how}; --force computes it again`,
  );
}

/** Compares files with what is recorded of them, in a sandbox that may read no others. */
export async function main({ files }: { readonly files: readonly InputFile[] }): Promise<Outcome> {
  return { text: "", json: { changes: await checkFiles(files) } };
}

/** The same, from outside. @returns The files that changed. */
export async function checkInSandbox(
  files: readonly InputFile[],
  allowed: PermissionSet,
  context: Context,
  shut: RunShut,
): Promise<Change[]> {
  const { json } = await shut(import.meta.url, { files }, context, allowed.permissions);
  return json.changes as Change[];
}
