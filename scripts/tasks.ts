/** What `--tasks` of `deno task eval` does: reads the data, asks the model in one pass, and sets the figures in a table. */
import { dirname, join, resolve } from "node:path";
import { replaceFile } from "../src/checkpoint/disk.ts";
import { systemError } from "../src/checkpoint/system_error.ts";
import { didYouMean } from "../src/cli/nearest.ts";
import { table } from "../src/cli/table.ts";
import { showSeconds } from "../src/cli/units.ts";
import { type FetchOptions, loadTokenizer, PareError, readSpec, type StreamOptions } from "../src/mod.ts";
import { insteadOf, UNSEEN } from "../src/errors.ts";
import { logLikelihoods } from "../src/stream/likelihood.ts";
import { toLmEval } from "../src/task/lm_eval.ts";
import { fetchSet } from "../src/task/fetch.ts";
import { findTask, type Group, GROUPS, TASK_NAMES } from "../src/task/mod.ts";
import { ownTask } from "../src/task/own.ts";
import { ask, type Part, partsOf, type Questions } from "../src/task/questions.ts";
import { groupResult, type Result, resultOf, scoreDocument } from "../src/task/results.ts";
import { readRows, type Rows } from "../src/task/rows.ts";
import type { HubSet, Task } from "../src/task/task.ts";
import { encodeRequests, type Pair, readPrefix } from "../src/task/tokens.ts";
import { isFile } from "./shared.ts";

/** What the flags say of tasks. */
export interface TaskFlags {
  readonly tasks?: string;
  readonly taskData?: string;
  readonly shots?: number;
  readonly limit?: number;
  readonly logSamples?: string;
  readonly seqlen?: number;
  /** Where parts of the Hub's sets lie that were fetched, by {@linkcode keyOf}. */
  readonly taskFiles?: Readonly<Record<string, string>>;
}

/** A name in `--tasks` that is a file of the user's. */
const isOwn = (name: string): boolean => /\.jsonl?$/i.test(name);

/**
 * The names in `--tasks`.
 * @throws PareError for one that is none.
 */
function taskNames({ tasks }: TaskFlags): string[] {
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

/** What `--tasks` reads, so far as that is known before it is read. */
export interface TaskSources {
  /** Files and folders of the user's. */
  readonly paths: readonly string[];
  /** What has been fetched from the Hub. */
  readonly taskFiles: Readonly<Record<string, string>>;
}

/**
 * Finds the data, and fetches what is not here yet.
 * @throws PareError if a name is none of a task, or the Hub does not have the data.
 */
export async function findSources(flags: TaskFlags, options: FetchOptions): Promise<TaskSources> {
  const names = taskNames(flags), { taskData: folder, shots = 0 } = flags, own = names.filter(isOwn);
  if (folder !== undefined) return { paths: [...own, folder], taskFiles: {} };
  const taskFiles: Record<string, string> = {};
  for (const name of names.filter((name) => !isOwn(name))) {
    const found = findTask(name)!;
    for (const part of ("tasks" in found ? found.tasks : [found]).flatMap((task) => partsOf(task, shots))) {
      if (part?.set) taskFiles[keyOf(part.set)] ??= await fetchSet(part.set, options);
    }
  }
  return { paths: own, taskFiles };
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
  const names = taskNames(flags), { shots, limit, taskData, taskFiles = {} } = flags;
  const files = new Map<string, Promise<Rows>>();
  const once = (path: string): Promise<Rows> => {
    const found = files.get(path) ?? readRows(path);
    files.set(path, found);
    return found;
  };
  const rows = async ({ file, set }: Part): Promise<Rows> => {
    const fetched = set && taskFiles[keyOf(set)];
    if (fetched !== undefined) return await once(fetched);
    if (isOwn(file)) return await once(file);
    const path = join(taskData!, file);
    for (const end of ["parquet", "jsonl"]) if (await isFile(`${path}.${end}`)) return await once(`${path}.${end}`);
    throw new PareError(`--task-data: there is no ${path}.parquet or .jsonl`);
  };
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

/** Milliseconds between two signs of life while text becomes tokens. */
const SHOWN_EVERY_MS = 250;

/** Asks a model, and sets what it answers in a table and in the harness's form. */
export async function askModel(
  { questions, groups }: Exam,
  flags: TaskFlags,
  options: StreamOptions & { readonly onEncoded?: (documents: number, of: number) => void },
): Promise<{ text: string; json: Record<string, unknown> }> {
  const { checkpoint, backend } = options, start = performance.now(), spec = readSpec(checkpoint);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), checkpoint.path);
  const prefix = await readPrefix(checkpoint, tokenizer);
  const asked = questions.flatMap(({ task, questions }) => questions.map((one) => ({ ...one, name: task.name }))),
    pairs: Pair[] = [];
  let shown = performance.now();
  for (const [i, { name, id, requests }] of asked.entries()) {
    try {
      pairs.push(...encodeRequests(requests, tokenizer, prefix));
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      throw new PareError(`${name}: document ${id}: ${error.message}`, { cause: error });
    }
    if (performance.now() < shown + SHOWN_EVERY_MS && i + 1 < asked.length) continue;
    // Ctrl-C is heard meanwhile.
    await new Promise((resolve) => setTimeout(resolve));
    options.signal?.throwIfAborted();
    options.onEncoded?.(i + 1, asked.length);
    shown = performance.now();
  }
  const longest = Math.min(spec.maxLength, flags.seqlen ?? spec.maxLength);
  const { answers, tokens, requestTokens, sparsity } = await logLikelihoods(pairs, { ...options, longest });
  let at = 0;
  const lines: string[] = [];
  const results = questions.map((all): Result => {
    const scores = all.questions.map(({ id, document, requests }) => {
      const own = answers.slice(at, at += requests.length), score = scoreDocument(all.task, document, own);
      lines.push(JSON.stringify({
        task: all.task.name,
        doc_id: id,
        target: document.target,
        loglikelihoods: own.map(({ logLikelihood }) => logLikelihood),
        greedy: own.map(({ greedy }) => greedy),
        ...score,
      }));
      return score;
    });
    return resultOf(all, scores);
  });
  const grouped = groups.map((group) => ({
    group,
    result: groupResult(group, group.tasks.map((task) => results.find(({ name }) => name === task.name)!)),
  }));
  if (flags.logSamples) writeSamples(flags.logSamples, lines);
  const seconds = (performance.now() - start) / 1000;
  return {
    text: [
      tableOf([...results, ...grouped.map(({ result }) => result)]),
      `${tokens} tokens for ${answers.length} requests (${requestTokens} if each were on its own); ` +
      `took ${showSeconds(seconds)}`,
    ].join("\n"),
    json: {
      ...toLmEval(results, grouped),
      config: { model: checkpoint.path, limit: flags.limit ?? null, max_length: longest, sparsity },
      files: questions.flatMap(({ files }) => files).filter(({ path }, i, all) =>
        all.findIndex((other) => other.path === path) === i
      ),
      tokens,
      requestTokens,
      seconds,
      backend: { name: backend.name, description: backend.description },
    },
  };
}

/** Figures in a table; a metric that no task has gets no column. */
function tableOf(results: readonly Result[]): string {
  const metrics = (["acc", "acc_norm", "perplexity"] as const).filter((metric) =>
    results.some(({ figures }) => figures[metric])
  );
  const heading = ["task", ...metrics.flatMap((metric) => metric === "perplexity" ? [metric] : [metric, "±"])];
  const rows = results.map(({ name, figures, documents, total, shots, version }) => [
    name,
    ...metrics.flatMap((metric) => {
      const figure = figures[metric], value = figure?.value.toFixed(4) ?? "-";
      return metric === "perplexity" ? [value] : [value, figure?.error?.toFixed(4) ?? "-"];
    }),
    documents < total ? `${documents} of ${total}` : `${documents}`,
    shots === undefined ? "-" : `${shots}`,
    `${version}`,
  ]);
  return table([...heading, "n", "shots", "version"], rows);
}

/**
 * Where the samples are logged, as a path that does not depend on where one stands.
 * @throws PareError if no file can be there.
 */
export async function samplesFile(path: string): Promise<string> {
  const file = resolve(path);
  const folder = await Deno.stat(dirname(file)).catch(insteadOf(UNSEEN, undefined));
  if (!folder?.isDirectory) throw new PareError(`--log-samples ${path}: ${dirname(file)} is no folder`);
  const there = await Deno.lstat(file).catch(insteadOf(UNSEEN, undefined));
  if (there && !there.isFile) throw new PareError(`--log-samples ${path}: what is there is no file`);
  return file;
}

/** @throws PareError if the disk does not take it. */
function writeSamples(path: string, lines: readonly string[]): void {
  try {
    replaceFile(path, lines.join("\n") + "\n");
  } catch (error) {
    throw systemError("write", path, error);
  }
}
