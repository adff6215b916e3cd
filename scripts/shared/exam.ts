/**
 * What `--tasks` asks, in the steps that several models share: the data are found and read and their text becomes tokens once,
 * then each model answers in one pass. `tasks.ts` shows what one of them answered.
 */
import { join, resolve } from "node:path";
import { spelling } from "../../src/cli/flag.ts";
import { didYouMean } from "../../src/cli/nearest.ts";
import type { Position } from "../../src/cli/progress.ts";
import { type Checkpoint, type FetchOptions, loadTokenizer, PareError, readSpec } from "../../src/mod.ts";
import type { Likelihoods } from "../../src/stream/likelihood.ts";
import { Continuations } from "../../src/stream/continuations.ts";
import { fetchSet } from "../../src/task/fetch.ts";
import { findTask, type Group, GROUPS, TASK_NAMES } from "../../src/task/mod.ts";
import { ownTask } from "../../src/task/own.ts";
import { ask, type Part, partsOf, type Questions } from "../../src/task/questions.ts";
import { type Answer, groupResult, type Result, resultOf, scoreDocument, type Scores } from "../../src/task/results.ts";
import { readRows, type Rows } from "../../src/task/rows.ts";
import type { HubSet, Task } from "../../src/task/task.ts";
import { encodeRequests, readPrefix } from "../../src/task/tokens.ts";
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

/** A name in `--tasks` that is a file of the user's. */
export const isOwn = (name: string): boolean => /\.jsonl?$/i.test(name);

/**
 * The names in `--tasks`.
 * @throws PareError for one that is none.
 */
export function taskNames({ tasks }: Pick<TaskFlags, "tasks">): string[] {
  const names = tasks!.split(",").map((name) => name.trim()).filter(Boolean);
  if (names.length === 0) throw new PareError("--tasks: no task is named");
  for (const name of names) {
    if (isOwn(name) || findTask(name)) continue;
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
  return taskNames(flags).filter((name) => !isOwn(name)).flatMap((name) => {
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
  const { taskData: folder } = flags, own = taskNames(flags).filter(isOwn);
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
  for (const path of [...taskNames(flags).filter(isOwn), ...Object.values(taskFiles)]) allowed.read(path);
  return taskFiles;
}

/** All that is asked, and what the results are put together to. */
export interface Exam {
  readonly questions: readonly Questions[];
  readonly groups: readonly Group[];
}

/**
 * Reads the data and puts the questions together.
 * @throws PareError if data are missing, or not what a task takes.
 */
export async function readExam(flags: TaskFlags): Promise<Exam> {
  const names = taskNames(flags), { shots, limit, taskFiles = {} } = flags;
  const files = new Map<string, Promise<Rows>>();
  const once = (path: string): Promise<Rows> => {
    const found = files.get(path) ?? readRows(path);
    files.set(path, found);
    return found;
  };
  const rows = ({ file, set }: Part): Promise<Rows> => once(set ? taskFiles[keyOf(set)] : file);
  const tasks = new Set<Task>(), groups = new Set<Group>();
  for (const name of names) {
    const found = isOwn(name) ? ownTask(name, (await once(name)).rows[0]) : findTask(name)!;
    if (!("tasks" in found)) {
      tasks.add(found);
      continue;
    }
    for (const task of found.tasks) tasks.add(task);
    groups.add(found);
    // Groups within a group.
    for (const other of GROUPS) {
      if (other.by === "document" && other.tasks.every((task) => found.tasks.includes(task))) groups.add(other);
    }
  }
  const questions: Questions[] = [];
  for (const task of tasks) {
    if (questions.some((other) => other.task.name === task.name)) {
      throw new PareError(`--tasks: two tasks have the name ${task.name}`);
    }
    questions.push(await ask(task, { shots, limit, rows }));
  }
  if (questions.some(({ files }) => files.some(({ path }) => resolve(path) === flags.logSamples))) {
    throw new PareError(`--log-samples ${flags.logSamples}: that is the data`);
  }
  return { questions, groups: [...groups] };
}

/** How far text has become tokens, as it is shown. */
export function encoding(done: number, total: number): Position {
  const label = "tasks: text to tokens";
  return { label, short: "to tokens", detail: "", done, total, unit: "documents" };
}

/** Milliseconds between two signs of life while text becomes tokens. */
const SHOWN_EVERY_MS = 250;

/** How long a text becomes tokens, and who hears of it. */
interface EncodeOptions {
  readonly signal?: AbortSignal;
  readonly onEncoded?: (documents: number, of: number) => void;
}

/** All requests of an exam as a model's own token ids, in the order of its questions. */
export interface Encoded {
  readonly requests: Continuations;
  /** Tokens that a request may have at most: of a longer one the front is left out. */
  readonly longest: number;
  /** The tasks that have such requests, by name. */
  readonly cut: ReadonlySet<string>;
}

/**
 * Makes tokens of an exam's text.
 * @param seqlen Tokens of a request at most, if that is less than the model's own limit.
 * @throws PareError naming the document that cannot be asked.
 */
export async function encodeExam(
  { questions }: Exam,
  checkpoint: Checkpoint,
  seqlen: number | undefined,
  { signal, onEncoded }: EncodeOptions = {},
): Promise<Encoded> {
  const { maxLength } = readSpec(checkpoint), longest = Math.min(maxLength, seqlen ?? maxLength);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), checkpoint.path);
  const prefix = await readPrefix(checkpoint, tokenizer), packed = new Continuations(), cut = new Set<string>();
  const asked = questions.flatMap(({ task, questions }) =>
    questions.map((question) => ({ question, name: task.name }))
  );
  let shown = performance.now();
  for (const [i, { name, question }] of asked.entries()) {
    try {
      const own = encodeRequests(question.requests, tokenizer, prefix);
      const long = own.find(({ continuation }) => continuation.length > longest);
      if (long) throw new PareError(`a continuation of ${long.continuation.length} tokens: the model takes ${longest}`);
      // The last token predicts nothing that is asked.
      if (own.some(({ context, continuation }) => context.length + continuation.length - 1 > longest)) cut.add(name);
      for (const each of own) packed.push(each);
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      throw new PareError(`${name}: document ${question.id}: ${error.message}`, { cause: error });
    }
    if (performance.now() < shown + SHOWN_EVERY_MS && i + 1 < asked.length) continue;
    // Ctrl-C is heard meanwhile.
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
    onEncoded?.(i + 1, asked.length);
    shown = performance.now();
  }
  return { requests: packed, longest, cut };
}

/** What a model answered to one document. */
export interface Answered {
  /** The task's name. */
  readonly task: string;
  /** The document's place in the set. */
  readonly id: number;
  readonly target: number | string;
  /** One a request. */
  readonly answers: readonly Answer[];
  readonly scores: Scores;
}

/** What a model answered to an exam. */
export interface Answers extends Omit<Likelihoods, "answers"> {
  /** In the order of the questions. */
  readonly documents: readonly Answered[];
  /** One a task, then one a group. */
  readonly results: readonly Result[];
}

/** What a model's log-likelihoods of an exam's requests come to. */
export function scoreExam(
  { questions, groups }: Exam,
  { longest, cut }: Encoded,
  { answers, ...found }: Likelihoods,
): Answers {
  let at = 0;
  const documents: Answered[] = [];
  const results = questions.map((all): Result => {
    const name = all.task.name,
      own = all.questions.map(({ id, document }): Answered => {
        const said = answers.slice(at, at += document.requests.length),
          scores = scoreDocument(all.task, document, said);
        return { task: name, id, target: document.target, answers: said, scores };
      });
    documents.push(...own);
    return resultOf(all, own.map(({ scores }) => scores), cut.has(name) ? longest : undefined);
  });
  const grouped = groups.map((group) =>
    groupResult(group, group.tasks.map((task) => results.find(({ name }) => name === task.name)!))
  );
  return { ...found, documents, results: [...results, ...grouped] };
}

/** What is logged of a document, by the harness's keys. */
export function logged({ task, id, target, answers, scores }: Answered): Record<string, unknown> {
  return {
    task,
    doc_id: id,
    target,
    loglikelihoods: answers.map(({ logLikelihood }) => logLikelihood),
    greedy: answers.map(({ greedy }) => greedy),
    ...scores,
  };
}

/** The files that an exam was read from, each once. */
export function filesOf({ questions }: Exam): Questions["files"] {
  return [...new Map(questions.flatMap(({ files }) => files).map((file) => [file.path, file])).values()];
}
