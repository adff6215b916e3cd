/** What `--tasks` asks, as flags say it: names, where their data are found or fetched, and the model's own ids. */
import { join, resolve } from "node:path";
import { spelling } from "../../src/cli/flag.ts";
import { didYouMean } from "../../src/cli/nearest.ts";
import type { Position } from "../../src/cli/progress.ts";
import {
  type Checkpoint,
  type Encoded,
  encodeExam,
  type Exam,
  type FetchOptions,
  fetchSet,
  filesOf,
  findTask,
  type HubSet,
  isOwnTask,
  loadTokenizer,
  PareError,
  type Part,
  partsOf,
  readExam,
  readPrefix,
  readSpec,
  TASK_NAMES,
} from "../../src/mod.ts";
import type { PermissionSet } from "./sandbox.ts";
import { isFile } from "./common.ts";

/** What the flags say of tasks. */
export interface TaskFlags {
  readonly tasks?: string;
  readonly taskData?: string;
  readonly shots?: number;
  readonly limit?: number;
  readonly logSamples?: string;
  readonly seqlen?: number;
  /** Where parts of the Hub's sets lie, fetched or in a folder of the user's, by {@linkcode keyOf}. */
  readonly taskFiles?: Readonly<Record<string, string>>;
}

/**
 * The names in `--tasks`.
 * @throws PareError for one that is none.
 */
export function taskNames({ tasks }: Pick<TaskFlags, "tasks">): string[] {
  const names = tasks!.split(",").map((name) => name.trim()).filter(Boolean);
  if (names.length === 0) throw new PareError("--tasks: no task is named");
  for (const name of names) {
    if (isOwnTask(name) || findTask(name)) continue;
    throw new PareError(`--tasks ${name}: there is no such task${didYouMean(name, TASK_NAMES)}`);
  }
  return names;
}

/** What a part of a set on the Hub is called here. */
const keyOf = ({ id, config, split }: HubSet): string => `${id} ${config} ${split}`;

/** A part of one of the Hub's sets. */
type SetPart = Required<Part>;

/** The parts of the Hub's sets that are read. @throws PareError if a name is none of a task. */
function setParts(flags: TaskFlags): SetPart[] {
  return taskNames(flags).filter((name) => !isOwnTask(name)).flatMap((name) => {
    const found = findTask(name)!;
    return ("tasks" in found ? found.tasks : [found]).flatMap((task) => partsOf(task, flags.shots ?? 0));
  }).filter((part): part is SetPart => part?.set !== undefined);
}

/** A part of a set in a folder of the user's, if it is there. */
async function fileIn(folder: string, { file }: SetPart): Promise<string | undefined> {
  for (const end of ["parquet", "jsonl"]) {
    const path = join(folder, `${file}.${end}`);
    if (await isFile(path)) return path;
  }
  return undefined;
}

/**
 * The files that `--tasks` and `--task-data` name, so far as they are there.
 * @throws PareError if a name is none of a task.
 */
export async function namedFiles(flags: TaskFlags): Promise<string[]> {
  const { taskData: folder } = flags, own = taskNames(flags).filter(isOwnTask);
  const found = folder === undefined ? [] : await Promise.all(setParts(flags).map((part) => fileIn(folder, part)));
  return [...new Set([...own, ...found.filter((path) => path !== undefined)])];
}

/**
 * Finds the data of the Hub's sets, and fetches what is not here yet.
 * @throws PareError if a name is none of a task, or neither the folder nor the Hub has the data.
 */
async function findSets(flags: TaskFlags, options: FetchOptions): Promise<Record<string, string>> {
  const { taskData: folder } = flags, files: Record<string, string> = {};
  for (const part of setParts(flags)) {
    const key = keyOf(part.set);
    if (folder === undefined) files[key] ??= await fetchSet(part.set, options);
    else files[key] ??= await fileIn(folder, part) ?? missing(join(folder, part.file));
  }
  return files;
}

function missing(path: string): never {
  throw new PareError(`--task-data: there is no ${path}.parquet or .jsonl`);
}

/**
 * Finds and fetches what a run reads for `--tasks`, and lets it read that and nothing beside it.
 * @returns Where the parts of the Hub's sets are; undefined if no tasks are asked.
 * @throws PareError as {@linkcode findSets}, or for a flag that means nothing without tasks.
 */
export async function enterExam(
  flags: TaskFlags,
  allowed: PermissionSet,
  options: FetchOptions,
): Promise<TaskFlags["taskFiles"]> {
  if (flags.tasks === undefined) {
    for (const flag of ["taskData", "shots", "limit", "logSamples"] as const) {
      if (flags[flag] !== undefined) throw new PareError(`--${spelling(flag)} is for --tasks, and there are none`);
    }
    return undefined;
  }
  const taskFiles = await findSets(flags, options);
  for (const path of [...taskNames(flags).filter(isOwnTask), ...Object.values(taskFiles)]) allowed.read(path);
  return taskFiles;
}

/** Reads what flags ask, as `readExam`. @throws PareError as it, or if samples would be logged over the data. */
export async function examOf(flags: TaskFlags): Promise<Exam> {
  const { shots, limit, taskFiles = {}, logSamples } = flags;
  const exam = await readExam({ names: taskNames(flags), shots, limit, fileOf: ({ set }) => taskFiles[keyOf(set!)] });
  if (filesOf(exam).some(({ path }) => resolve(path) === logSamples)) {
    throw new PareError(`--log-samples ${logSamples}: that is the data`);
  }
  return exam;
}

/** How far text has become tokens, as it is shown. */
function encoding(done: number, total: number): Position {
  const label = "tasks: text to tokens";
  return { label, short: "to tokens", detail: "", done, total, unit: "documents" };
}

/**
 * Makes an exam's text tokens of a model's.
 * @param seqlen Tokens of a request at most, if that is less than the model's own limit.
 * @throws PareError as `encodeExam`.
 */
export async function encodeFor(
  exam: Exam,
  checkpoint: Checkpoint,
  seqlen: number | undefined,
  { signal, show }: { readonly signal: AbortSignal; readonly show: (position: Position) => void },
): Promise<Encoded> {
  const { maxLength } = readSpec(checkpoint), longest = Math.min(maxLength, seqlen ?? maxLength);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), checkpoint.path);
  const prefix = await readPrefix(checkpoint, tokenizer);
  const onEncoded = (done: number, total: number) => show(encoding(done, total));
  return await encodeExam(exam, { tokenizer, prefix, longest, signal, onEncoded });
}
