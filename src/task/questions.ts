/**
 * The questions of a task: its documents with the examples before them, as they are asked. Which examples: the harness's
 * choice, draw by draw.
 */
import { isDeepStrictEqual } from "node:util";
import { PareError } from "../errors.ts";
import { Random } from "../text/random.ts";
import type { Rows } from "./rows.ts";
import type { Document, HubSet, Request, Task } from "./task.ts";

/** The seed of the harness's draws. */
const SEED = 1234;

/** The harness sets this between examples. */
const BETWEEN = "\n\n";

/** A document as it is asked. */
export interface Question {
  /** Its place in the set, from 0. */
  readonly id: number;
  /** The document by itself. */
  readonly document: Document;
  /** With the examples before them. They are put together when they are asked for: of all together they are most of the memory. */
  readonly requests: readonly Request[];
}

/** A document behind examples. */
class Asked implements Question {
  /**
   * @param description What stands before everything.
   * @param examples Other documents with their answers.
   */
  constructor(
    readonly id: number,
    readonly document: Document,
    readonly description: string,
    readonly examples: readonly string[],
  ) {}

  /** See {@linkcode Question}. */
  get requests(): readonly Request[] {
    const before = this.description + this.examples.map((example) => example + BETWEEN).join("");
    if (before === "") return this.document.requests;
    // The choices of a document have the same context.
    const whole = new Map<string, string>();
    return this.document.requests.map(({ context, continuation }) => {
      if (!whole.has(context)) whole.set(context, before + context);
      return { context: whole.get(context)!, continuation };
    });
  }
}

/** All that is asked of a task. */
export interface Questions {
  /** What is asked. */
  readonly task: Task;
  /** Examples before each. */
  readonly shots: number;
  /** Document after document. */
  readonly questions: readonly Question[];
  /** Documents that the set has. */
  readonly total: number;
  /** The files that were read: that of the documents, and of the examples if they are of another one. */
  readonly files: readonly Omit<Rows, "rows">[];
}

/** A part of a task's data: its file's name without the ending, and where it is on the Hub. */
export interface Part {
  /** The name, without the ending. */
  readonly file: string;
  /** The data set and the split. */
  readonly set?: HubSet;
}

/** The parts that a task needs: what is asked, and what examples come from if that is another part. */
export function partsOf({ file, set, examples: { from } }: Task, shots: number): [asked: Part, examples?: Part] {
  const asked: Part = { file, set };
  if (shots === 0 || from === "asked") return [asked];
  return [asked, { file: from.file, set: set && { ...set, split: from.split } }];
}

/** How a task is asked. */
export interface Asking {
  /** Examples before each document. */
  readonly shots?: number;
  /** Only the first so many documents. */
  readonly limit?: number;
  /** The rows of a part of the data. */
  readonly rows: (part: Part) => Promise<Rows>;
}

/** A row of a file as a document, and as what two of them are told apart by. */
interface Read {
  readonly document: Document;
  readonly row: unknown;
}

/**
 * Puts a task's questions together.
 * @throws PareError if the data are not there, are not the task's, or have too few examples.
 */
export async function ask(task: Task, { shots = 0, limit = Infinity, rows }: Asking): Promise<Questions> {
  const [askedPart, examplesPart] = partsOf(task, shots),
    set = await rows(askedPart),
    files = [set],
    all = ofSubject(set, task);
  if (all.length === 0) throw new PareError(`${set.path}: no documents of the subject ${task.subject}`);
  const { from, which, leaveOut } = task.examples, asked = readAll(all.slice(0, limit), task, set);
  let pool: readonly Read[] = [], poolPath = set.path;
  if (shots > 0 && from === "asked") pool = readAll(all, task, set);
  if (examplesPart) {
    const examples = await rows(examplesPart);
    files.push(examples);
    poolPath = examples.path;
    pool = readAll(ofSubject(examples, task), task, examples);
  }
  const random = new Random(SEED);
  const few = (found: number) =>
    new PareError(
      `${task.name}: ${shots} examples asked for, ${poolPath} has ${found}${
        leaveOut && from === "asked" ? " others" : ""
      }`,
    );
  const examplesFor = (own: Read): readonly Read[] => {
    if (shots === 0) return [];
    const without = (reads: readonly Read[], most = Infinity) => {
      const others: Read[] = [];
      for (const read of reads) {
        if (others.length === most) break;
        if (!leaveOut || !isDeepStrictEqual(read.row, own.row)) others.push(read);
      }
      return others;
    };
    if (which === "first") {
      const first = without(pool, shots);
      if (first.length < shots) throw few(first.length);
      return first;
    }
    const count = leaveOut ? shots + 1 : shots;
    // The harness needs one more, too.
    if (pool.length < count) throw few(pool.length - (count - shots));
    const drawn = without(random.sample(pool, count)).slice(0, shots);
    if (drawn.length === shots) return drawn;
    // Two rows that are the same were both drawn.
    const rest = without(pool);
    if (rest.length < shots) throw few(rest.length);
    return random.sample(rest, shots);
  };
  const questions = asked.map((own, id) =>
    new Asked(id, own.document, task.description ?? "", examplesFor(own).map(({ document }) => document.example))
  );
  return { task, shots, questions, total: all.length, files: files.map(({ rows: _, ...file }) => file) };
}

/** The rows that are a task's. */
function ofSubject({ rows, path }: Rows, { subject }: Task): readonly unknown[] {
  if (subject === undefined) return rows;
  if (Object(rows[0]).subject === undefined) throw new PareError(`${path}: no column "subject"`);
  return rows.filter((row) => Object(row).subject === subject);
}

function readAll(rows: readonly unknown[], task: Task, { path }: Rows): Read[] {
  return rows.map((row, i) => {
    try {
      return { document: task.read(row), row };
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      throw new PareError(`${path}: document ${i}: ${error.message}`, { cause: error });
    }
  });
}
