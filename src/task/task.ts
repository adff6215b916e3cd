/**
 * What a benchmark task is: a value that says where its documents come from and how one of them becomes requests. A request
 * asks how likely a continuation is after a context; a document is answered rightly if the right one of its requests is the
 * likeliest. The rules are those of lm-evaluation-harness 0.4, whose numbers people compare with.
 */
import type { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { lengthOf } from "../text/python.ts";

/** What a model is asked: the likelihood of `continuation` after `context`. */
export interface Request {
  /** What stands before; it may be empty. */
  readonly context: string;
  /** What is asked about, with the space before it. */
  readonly continuation: string;
}

/** One question of a task. */
export interface Document {
  /** What is asked, without examples before it; one request a choice. */
  readonly requests: readonly Request[];
  /** The request that is right. Without it there is one request, and it is right if every token of it is the likeliest. */
  readonly right?: number;
  /** The right answer as the harness logs it. */
  readonly target: number | string;
  /** Characters of each choice. */
  readonly lengths: readonly number[];
  /** The document with its answer, as an example for others. */
  readonly example: string;
}

/** What is computed of a task's documents: `acc_norm` takes the likelihood by the character. */
export type Metric = "acc" | "acc_norm" | "perplexity";

/** In the order in which they are shown. */
export const METRICS: readonly Metric[] = ["acc", "acc_norm", "perplexity"];

/** Where the examples come from. */
export interface Examples {
  /** The part of the set that they are taken from: another split, in a file of its own, or the asked documents themselves. */
  readonly from: { readonly file: string; readonly split: string } | "asked";
  /** The first ones, or some drawn anew for each document. */
  readonly which: "first" | "drawn";
  /**
   * Whether the document itself is left out of them. To that end one more is drawn, which changes all later draws: the
   * harness does so for a task that declares no test split, though its examples are of another split, and does not where
   * there is one.
   */
  readonly leaveOut: boolean;
}

/** A data set on the Hub. */
export interface HubSet {
  /** `owner/name`. */
  readonly id: string;
  /** The Hub's word for a part of it. */
  readonly config: string;
  /** The split of that part. */
  readonly split: string;
}

/** See the file's head. */
export interface Task {
  /** As the harness calls it. */
  readonly name: string;
  /** The harness's version of it; results of two versions are not to be compared. */
  readonly version: number;
  /** Where the documents come from. */
  readonly set?: HubSet;
  /** What its file is called, without the ending. */
  readonly file: string;
  /** Only the rows whose column `subject` says this. */
  readonly subject?: string;
  /** Which examples stand before a document, if any are asked for. */
  readonly examples: Examples;
  /** Stands before everything. */
  readonly description?: string;
  /** In the order of the table. */
  readonly metrics: readonly Metric[];
  /**
   * A row of the set as a document.
   * @throws PareError naming the column if it is missing or holds what it should not.
   */
  read(row: unknown): Document;
}

/** How rows of a known form become documents. */
export interface Reading<R> {
  readonly schema: z.ZodType<R>;
  readonly document: (row: R) => Document;
}

/** {@linkcode Task.read} of rows of a known form. */
export function reading<R>({ schema, document }: Reading<R>): Task["read"] {
  return (row) => {
    const { success, data, error } = schema.safeParse(row);
    if (success) return document(data);
    const [{ path, message }] = error.issues, column = path.join(".");
    if (path.length === 0) throw new PareError(`expected an object with columns, found ${JSON.stringify(row)}`);
    const present = Object(row)[path[0]] !== undefined;
    if (present) throw new PareError(`column "${column}": ${message}`);
    throw new PareError(`no column "${column}"; there are ${Object.keys(Object(row)).join(", ") || "none"}`);
  };
}

/** The harness sets this between a context and what continues it. */
const DELIMITER = " ";

/**
 * A context with several continuations.
 * @param label Which is right.
 * @throws PareError if there is no such choice.
 */
export function multipleChoice(context: string, choices: readonly string[], label: number): Document {
  const right = checkLabel(label, choices.length);
  return {
    requests: choices.map((choice) => ({ context, continuation: DELIMITER + choice })),
    right,
    target: right,
    lengths: choices.map(lengthOf),
    example: context + DELIMITER + choices[right],
  };
}

/**
 * Several contexts with one continuation.
 * @throws PareError if there is no such context.
 */
export function multipleContext(contexts: readonly string[], continuation: string, label: number): Document {
  const right = checkLabel(label, contexts.length);
  return {
    requests: contexts.map((context) => ({ context, continuation: DELIMITER + continuation })),
    right,
    target: continuation,
    lengths: contexts.map(lengthOf),
    example: contexts[right] + DELIMITER + continuation,
  };
}

/** A context with the one continuation that is right; the delimiter is the continuation's own. */
export function continued(context: string, continuation: string): Document {
  return {
    requests: [{ context, continuation }],
    target: continuation,
    lengths: [lengthOf(continuation)],
    example: context + DELIMITER + continuation,
  };
}

/** @throws PareError unless it counts one of the choices. */
function checkLabel(label: number, choices: number): number {
  if (!(Number.isInteger(label) && label >= 0 && label < choices)) {
    throw new PareError(`label ${label}: expected a whole number from 0 to ${choices - 1}`);
  }
  return label;
}

/**
 * The place of a key among labels.
 * @throws PareError if it is not among them.
 */
export function placeOf(key: string, labels: readonly string[]): number {
  const place = labels.indexOf(key);
  if (place < 0) throw new PareError(`column "answerKey": expected one of ${labels.join(", ")}, found ${key}`);
  return place;
}
