/**
 * Where that stands here which a manifest says was read. A manifest may be anybody's: what it names is looked at (a regular
 * file of the size that it says?) and never read by this process; that is for the sandboxes of `verify`.
 */
import { basename, isAbsolute, join, resolve } from "node:path";
import { parseCorpus, pathOf } from "../../src/text/corpus.ts";
import { isStdin } from "../../src/text/piped.ts";
import { isHubId } from "../../src/checkpoint/hub/repository.ts";
import { isOwnTask, PareError } from "../../src/mod.ts";
import { type Change, checkSizes, describeChange } from "../../src/run/manifest.ts";
import { statFile } from "../../src/run/digest.ts";
import type { InputFile, Manifest } from "../../src/run/record.ts";
import { namedFiles, taskNames } from "../shared/exam.ts";
import { exists } from "../shared/common.ts";

/** The flags that name what is read. */
export interface Read {
  readonly model: string;
  readonly teacher?: string;
  readonly start?: string;
  readonly calibration?: string;
  readonly corpus?: string;
  readonly tokens?: string;
  readonly tasks?: string;
  readonly taskData?: string;
  readonly shots?: number;
}

/**
 * The flags of a run's command line with paths that hold here: where the run was begun, or, of a manifest that does not say
 * it, where this command is given or beside the model.
 * @throws PareError for a file that is none of those that the run read.
 */
export async function relocate<R extends Read>(
  own: R,
  given: Partial<Read>,
  manifest: Manifest,
  folder?: string,
): Promise<R> {
  const places = manifest.directory !== undefined
    ? [manifest.directory]
    : [Deno.cwd(), ...folder ? [join(folder, "..")] : []];
  const find = async (path: string): Promise<string> => {
    for (const place of places) if (await exists(resolve(place, path))) return resolve(place, path);
    return path;
  };
  const located: Record<string, string> = {};
  for (const flag of ["model", "teacher", "start", "calibration", "corpus", "tokens"] as const) {
    const value = own[flag];
    if (value === undefined || given[flag] !== undefined) continue;
    if (flag === "calibration" && manifest.plan.calibration === undefined) {
      located.calibration = "sample"; // whatever it named, a method that looks at no input has not read it
      continue;
    }
    const isModel = flag === "model" || flag === "teacher" || flag === "start",
      corpus = isModel ? undefined : parseCorpus(value);
    if (corpus && !("path" in corpus && corpus.path !== undefined)) continue; // a word, and no file
    if (corpus && isStdin(value)) continue; // comes again, and is held against the plan by its hash
    const path = corpus && "path" in corpus ? corpus.path! : value, found = await find(path);
    if (!await exists(found)) {
      if (isModel && isHubId(found)) continue;
      if (manifest.directory !== undefined) continue; // told with all that is missing
      throw new PareError(`${path} is neither here nor beside the model; --${flag} says where it stands`);
    }
    if (corpus || !(await Deno.stat(found)).isDirectory) await refuseUnread(found, manifest.inputs);
    located[flag] = value.slice(0, value.length - path.length) + found;
  }
  // What of a benchmark's data was read stands in the manifest, and its hash in the plan.
  if (own.taskData !== undefined && given.taskData === undefined) located.taskData = await find(own.taskData);
  if (own.tasks !== undefined) {
    located.tasks = (await Promise.all(taskNames(own).map((name) => isOwnTask(name) ? find(name) : name))).join(",");
  }
  const moved = { ...own, ...located };
  if (moved.tasks !== undefined) {
    // What the user has named instead is theirs to name, and is held against the plan.
    const named = given.taskData === undefined ? moved : { ...moved, taskData: undefined };
    for (const path of await namedFiles(named)) if (await exists(path)) await refuseUnread(path, manifest.inputs);
  }
  return moved;
}

/** @throws PareError unless a file is one that the run read, as far as its name and size tell. */
async function refuseUnread(path: string, inputs: readonly InputFile[]): Promise<void> {
  const { size } = await statFile(path), known = inputs.filter((input) => basename(input.path) === basename(path));
  if (known.some(({ bytes }) => bytes === size)) return;
  const change: Change | undefined = known.length
    ? { path, kind: "size", expected: known[0].bytes, found: size }
    : undefined;
  throw new PareError(
    change
      ? `what the run read has changed: ${describeChange(change)}`
      : `${path}: the manifest does not say that the run read it`,
  );
}

/**
 * The files that the run read, where they stand here: all that can be known before anything is fetched.
 * @throws PareError if one is missing, is no regular file or has another size.
 */
export async function inputsHere(
  { inputs }: Manifest,
  { model, calibration, corpus, tokens }: Read,
): Promise<InputFile[]> {
  const named = [calibration, corpus, tokens].map((name) => name && pathOf(name)), here: InputFile[] = [];
  for (const input of inputs) {
    const places = isAbsolute(input.path) ? [input.path] : [
      join(model, input.path),
      ...[model, ...named].filter((path) => path && basename(path) === input.path),
    ] as string[];
    for (const path of places) {
      if (!isAbsolute(input.path) && !await exists(path)) continue;
      here.push({ ...input, path });
      break;
    }
  }
  refuseChanges(await checkSizes(here));
  return here;
}

/** @throws PareError naming what has changed. */
export function refuseChanges(changes: readonly Change[]): void {
  if (!changes.length) return;
  throw new PareError(`what the run read has changed: ${changes.map((change) => describeChange(change)).join("; ")}`);
}
