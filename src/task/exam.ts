/**
 * Several tasks asked together: their data are read and their text becomes tokens once, a document at a time, and what a model
 * says of the requests becomes figures. Of a document stay its ids and what is right; its text does not.
 */
import { PareError } from "../errors.ts";
import { Continuations } from "../text/continuations.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { findTask, type Group, GROUPS } from "./mod.ts";
import { ownTask } from "./own.ts";
import { ask, type Part, type Questions } from "./questions.ts";
import { type Answer, groupResult, type Result, resultOf, scoreDocument, type Scores } from "./results.ts";
import { readRows, type Rows } from "./rows.ts";
import type { Task } from "./task.ts";
import { encodeRequests, type Prefix } from "./tokens.ts";

/** All that is asked, and what the results are put together to. */
export interface Exam {
  /** Task after task. */
  readonly questions: readonly Questions[];
  /** Means of them. */
  readonly groups: readonly Group[];
}

/** What is asked for. */
export interface ExamOptions {
  /** Names of tasks and groups, and files of a user's own. */
  readonly names: readonly string[];
  /** Examples before each document. */
  readonly shots?: number;
  /** Only the first so many documents of each task. */
  readonly limit?: number;
  /** Where a part of a task's data lies. */
  readonly fileOf: (part: Part) => string;
}

/** A name that is a file of the user's. */
export const isOwnTask = (name: string): boolean => /\.jsonl?$/i.test(name);

/**
 * Reads the data and puts the questions together.
 * @throws PareError if data are missing, or not what a task takes.
 */
export async function readExam({ names, shots, limit, fileOf }: ExamOptions): Promise<Exam> {
  const files = new Map<string, Promise<Rows>>();
  const once = (path: string): Promise<Rows> => {
    const found = files.get(path) ?? readRows(path);
    files.set(path, found);
    return found;
  };
  const tasks = new Set<Task>(), groups = new Set<Group>();
  for (const name of names) {
    const found = isOwnTask(name) ? ownTask(name, await firstOf(await once(name))) : findTask(name)!;
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
    questions.push(await ask(task, { shots, limit, rows: (part) => once(part.set ? fileOf(part) : part.file) }));
  }
  return { questions, groups: [...groups] };
}

/** The first row, by which a user's own task is told. */
async function firstOf(rows: Rows): Promise<unknown> {
  for await (const row of rows.read(0, 1)) return row;
}

/** Milliseconds between two signs of life while text becomes tokens. */
const SHOWN_EVERY_MS = 250;

/** For whom text becomes tokens, and who hears of it. */
export interface EncodeOptions {
  /** The model's. */
  readonly tokenizer: Tokenizer;
  /** What stands before a text without context, as `readPrefix` finds it. */
  readonly prefix?: Prefix;
  /** Tokens that the model takes: of a longer request the front is left out. */
  readonly longest: number;
  /** Stops it between two documents. */
  readonly signal?: AbortSignal;
  /** Told a few times a second how many documents are done. */
  readonly onEncoded?: (documents: number, of: number) => void;
}

/** All requests of an exam as a model's own token ids, in the order of its questions. */
export interface Encoded {
  /** The requests. */
  readonly requests: Continuations;
  /** Tokens that a request may have at most: of a longer one the front is left out. */
  readonly longest: number;
  /** The tasks that have such requests, by name. */
  readonly cut: ReadonlySet<string>;
}

/**
 * Makes tokens of an exam's text.
 * @throws PareError naming the document that cannot be asked.
 */
export async function encodeExam({ questions }: Exam, options: EncodeOptions): Promise<Encoded> {
  const { tokenizer, prefix, longest, signal, onEncoded } = options;
  const requests = new Continuations(), cut = new Set<string>();
  const total = questions.reduce((sum, { key }) => sum + key.length, 0);
  let shown = performance.now(), done = 0;
  for (const { task: { name }, read } of questions) {
    for await (const question of read()) {
      try {
        const own = encodeRequests(question.requests, tokenizer, prefix);
        const long = own.find(({ continuation }) => continuation.length > longest);
        if (long) {
          throw new PareError(`a continuation of ${long.continuation.length} tokens: the model takes ${longest}`);
        }
        // The last token predicts nothing that is asked.
        if (own.some(({ context, continuation }) => context.length + continuation.length - 1 > longest)) cut.add(name);
        for (const each of own) requests.push(each);
      } catch (error) {
        if (!(error instanceof PareError)) throw error;
        throw new PareError(`${name}: document ${question.id}: ${error.message}`, { cause: error });
      }
      done++;
      if (performance.now() < shown + SHOWN_EVERY_MS && done < total) continue;
      // Ctrl-C is heard meanwhile.
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      onEncoded?.(done, total);
      shown = performance.now();
    }
  }
  requests.fit();
  return { requests, longest, cut };
}

/** What a model answered to one document. */
export interface Answered {
  /** The task's name. */
  readonly task: string;
  /** The document's place in the set. */
  readonly id: number;
  /** The right answer as the harness logs it. */
  readonly target: number | string;
  /** One a request. */
  readonly answers: readonly Answer[];
  /** What they are worth. */
  readonly scores: Scores;
}

/** What a model said of all requests, in their order. */
export interface AnswerList {
  /** Some of the answers. */
  slice(from: number, end: number): readonly Answer[];
}

/** What a model answered to an exam. */
export interface Answers {
  /** What it answered to the documents of a task, in their order. */
  documents(task: string): Answered[];
  /** How many requests there are. */
  readonly requests: number;
  /** One a task, then one a group. */
  readonly results: readonly Result[];
}

/** What a model's answers to an exam's requests come to. */
export function scoreExam(
  { questions, groups }: Exam,
  { longest, cut }: Pick<Encoded, "longest" | "cut">,
  answers: AnswerList,
): Answers {
  const first = new Map<string, number>();
  let requests = 0;
  for (const { task, key } of questions) {
    first.set(task.name, requests);
    requests += key.requests;
  }
  function* answered({ task, key }: Questions): Generator<Answered> {
    const start = first.get(task.name)!;
    for (let id = 0; id < key.length; id++) {
      const own = key.at(id), said = answers.slice(start + own.first, start + own.end);
      yield { task: task.name, id, target: own.target, answers: said, scores: scoreDocument(task, own, said) };
    }
  }
  const results = questions.map((all) => {
    const scores = Array.from(answered(all), ({ scores }) => scores);
    return resultOf(all, scores, cut.has(all.task.name) ? longest : undefined);
  });
  const grouped = groups.map((group) =>
    groupResult(group, group.tasks.map((task) => results.find(({ name }) => name === task.name)!))
  );
  return {
    documents: (name) => questions.filter(({ task }) => task.name === name).flatMap((all) => [...answered(all)]),
    requests,
    results: [...results, ...grouped],
  };
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
