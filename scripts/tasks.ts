/** What `--tasks` of `deno task eval` does: reads the data, asks the model in one pass, and sets the figures in a table. */
import { basename, join, resolve } from "node:path";
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import type { Backend } from "../src/backend/backend.ts";
import { replaceFile } from "../src/checkpoint/disk.ts";
import { didYouMean } from "../src/cli/nearest.ts";
import { table } from "../src/cli/table.ts";
import { showSeconds } from "../src/cli/units.ts";
import { loadTokenizer, PareError, readSpec, type StreamOptions } from "../src/mod.ts";
import { logLikelihoods } from "../src/stream/likelihood.ts";
import { toLmEval } from "../src/task/lm_eval.ts";
import { findTask, type Group, GROUPS, TASK_NAMES } from "../src/task/mod.ts";
import { ownTask } from "../src/task/own.ts";
import { ask, type Questions } from "../src/task/questions.ts";
import { groupResult, type Result, resultOf, scoreDocument } from "../src/task/results.ts";
import { readRows, type Rows } from "../src/task/rows.ts";
import type { Task } from "../src/task/task.ts";
import { encodeRequests, readPrefix } from "../src/task/tokens.ts";
import { isFile } from "./shared.ts";

/** What the flags say of tasks. */
export interface TaskFlags {
  readonly tasks?: string;
  readonly taskData?: string;
  readonly shots?: number;
  readonly limit?: number;
  readonly logSamples?: string;
  readonly seqlen?: number;
}

/** A name in `--tasks` that is a file of the user's. */
const isOwn = (name: string): boolean => /\.jsonl?$/i.test(name);

/**
 * The names in `--tasks`.
 * @throws PareError for one that is none, or if tasks are named whose data nobody has named.
 */
export function taskNames({ tasks, taskData }: TaskFlags): { names: string[]; own: string[]; data?: string } {
  const names = tasks!.split(",").map((name) => name.trim()).filter(Boolean);
  if (names.length === 0) throw new PareError("--tasks: no task is named");
  for (const name of names) {
    if (isOwn(name) || findTask(name)) continue;
    throw new PareError(`--tasks ${name}: there is no such task${didYouMean(name, TASK_NAMES)}`);
  }
  const own = names.filter(isOwn);
  if (own.length < names.length && taskData === undefined) {
    throw new PareError(`--tasks ${names.find((name) => !isOwn(name))}: --task-data must name a folder with its data`);
  }
  return { names, own, data: taskData };
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
  const { names, data } = taskNames(flags), { shots, limit } = flags;
  const files = new Map<string, Promise<Rows>>();
  const once = (path: string): Promise<Rows> => {
    const found = files.get(path) ?? readRows(path);
    files.set(path, found);
    return found;
  };
  const rows = async (file: string): Promise<Rows> => {
    const paths = isOwn(file) ? [file] : ["parquet", "jsonl"].map((end) => join(data!, `${file}.${end}`));
    for (const path of paths) if (await isFile(path)) return await once(path);
    throw new PareError(
      `${isOwn(file) ? file : join(data!, file)}: ${isOwn(file) ? "" : ".parquet or .jsonl: "}no file`,
    );
  };
  const tasks = new Set<Task>(), groups = new Set<Group>();
  for (const name of names) {
    const found = isOwn(name) ? ownTask(name, (await rows(name)).rows[0]) : findTask(name)!;
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
  return { questions, groups: [...groups] };
}

/** Asks a model, and sets what it answers in a table and in the harness's form. */
export async function askModel(
  { questions, groups }: Exam,
  flags: TaskFlags,
  options: StreamOptions & { readonly checkpoint: Checkpoint; readonly backend: Backend },
): Promise<{ text: string; json: Record<string, unknown> }> {
  const { checkpoint, backend } = options, start = performance.now(), spec = readSpec(checkpoint);
  const tokenizer = await loadTokenizer((file) => checkpoint.readText(file), checkpoint.path);
  const prefix = await readPrefix(checkpoint, tokenizer);
  const asked = questions.flatMap(({ questions }) => questions);
  const pairs = encodeRequests(asked.flatMap(({ requests }) => requests), tokenizer, prefix);
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
  if (flags.logSamples) replaceFile(flags.logSamples, lines.join("\n") + "\n");
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

/** Where the samples are logged, as a path that does not depend on where one stands. */
export function samplesFile(path: string): string {
  const file = resolve(path);
  if (basename(file) === "") throw new PareError(`--log-samples ${path}: expected a file`);
  return file;
}
