/**
 * The questions of a task: its documents with the examples before them, as they are asked. Which examples: the harness's
 * choice, draw by draw.
 */
import { isDeepStrictEqual } from "node:util";
import { PareError } from "../errors.ts";
import { Growing, type Integers } from "../text/growing.ts";
import { Random } from "../text/random.ts";
import { AnswerKey } from "./key.ts";
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
  /** With the examples before them, put together when they are asked for. */
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
  /** What is right, document after document. */
  readonly key: AnswerKey;
  /** Documents that the set has. */
  readonly total: number;
  /** The files that were read: that of the documents, and of the examples if they are of another one. */
  readonly files: readonly Omit<Rows, "count" | "read">[];
  /** Reads the questions anew, document after document: their texts are not kept. @throws PareError if the data have changed. */
  read(): AsyncGenerator<Question>;
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

/** The rows of a file that are a task's: all, unless they are of several subjects. */
interface Own {
  readonly rows: Rows;
  readonly places?: Integers;
}

/**
 * Puts a task's questions together: reads them once, so that what is wrong with them is known.
 * @throws PareError if the data are not there, are not the task's, or have too few examples.
 */
export async function ask(task: Task, { shots = 0, limit = Infinity, rows }: Asking): Promise<Questions> {
  const [askedPart, examplesPart] = partsOf(task, shots);
  const asked = await ownRows(await rows(askedPart), task), total = countOf(asked);
  if (total === 0) throw new PareError(`${asked.rows.path}: no documents of the subject ${task.subject}`);
  const examples = examplesPart && await ownRows(await rows(examplesPart), task);
  const read = () => readQuestions(task, asked, examples ?? asked, shots, limit), key = new AnswerKey();
  for await (const { document } of read()) key.push(document);
  const files = [asked, ...examples ? [examples] : []].map(({ rows: { path, bytes, sha256 } }) => ({
    path,
    bytes,
    sha256,
  }));
  return { task, shots, key, total, files, read };
}

/** Reads questions. @param from Where their examples come from. */
async function* readQuestions(
  task: Task,
  asked: Own,
  from: Own,
  shots: number,
  limit: number,
): AsyncGenerator<Question> {
  await using examples = new ExampleSource(task, from, shots);
  let id = 0;
  for await (const own of readDocuments(task, asked, limit)) {
    const before = await examples.before(own);
    yield new Asked(id++, own.document, task.description ?? "", before.map(({ document }) => document.example));
  }
}

/** The examples before documents, which must be asked for in their order. */
class ExampleSource implements AsyncDisposable {
  readonly #random = new Random(SEED);
  /** Those that were read so far: all of them where they are drawn, else as many as were needed. */
  readonly #pool: Read[] = [];
  readonly #rest: AsyncGenerator<Read>;

  constructor(readonly task: Task, readonly from: Own, readonly shots: number) {
    this.#rest = readDocuments(task, from);
  }

  /** Those before a document. @throws PareError if there are too few. */
  async before(own: Read): Promise<readonly Read[]> {
    const { task: { examples: { which, leaveOut } }, shots } = this, random = this.#random, pool = this.#pool;
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
      let first = without(pool, shots);
      while (first.length < shots && await this.#more()) first = without(pool, shots);
      if (first.length < shots) throw this.#few(first.length);
      return first;
    }
    while (await this.#more());
    const count = leaveOut ? shots + 1 : shots;
    // The harness needs one more, too.
    if (pool.length < count) throw this.#few(pool.length - (count - shots));
    const drawn = without(random.sample(pool, count)).slice(0, shots);
    if (drawn.length === shots) return drawn;
    // Two rows that are the same were both drawn.
    const rest = without(pool);
    if (rest.length < shots) throw this.#few(rest.length);
    return random.sample(rest, shots);
  }

  /** Reads one more; false if there is none. */
  async #more(): Promise<boolean> {
    const { done, value } = await this.#rest.next();
    if (!done) this.#pool.push(value);
    return !done;
  }

  #few(found: number): PareError {
    const { task: { name, examples: { from, leaveOut } }, shots } = this;
    const others = leaveOut && from === "asked" ? " others" : "";
    return new PareError(`${name}: ${shots} examples asked for, ${this.from.rows.path} has ${found}${others}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rest.return(undefined);
  }
}

/** Where the rows of each subject stand in a file of several, which is gone through once for all of them. */
const SUBJECTS = new WeakMap<Rows, Promise<ReadonlyMap<unknown, Growing>>>();

async function subjectsOf(rows: Rows): Promise<ReadonlyMap<unknown, Growing>> {
  const subjects = new Map<unknown, Growing>();
  let place = 0;
  for await (const row of rows.read()) {
    const { subject } = Object(row);
    if (place === 0 && subject === undefined) throw new PareError(`${rows.path}: no column "subject"`);
    const own = subjects.get(subject) ?? new Growing();
    subjects.set(subject, own);
    own.push(place++);
  }
  return subjects;
}

async function ownRows(rows: Rows, { subject }: Task): Promise<Own> {
  if (subject === undefined) return { rows };
  const subjects = SUBJECTS.get(rows) ?? subjectsOf(rows);
  SUBJECTS.set(rows, subjects);
  return { rows, places: (await subjects).get(subject)?.all ?? new Uint32Array() };
}

const countOf = ({ rows, places }: Own): number => places?.length ?? rows.count;

/** Reads the first so many documents. @throws PareError naming the one that is none of the task's. */
async function* readDocuments(task: Task, { rows, places }: Own, limit = Infinity): AsyncGenerator<Read> {
  const count = Math.min(limit, countOf({ rows, places }));
  for (let i = 0; i < count;) {
    const from = places?.[i] ?? i;
    let end = from + 1;
    for (let next = i + 1; next < count && (places?.[next] ?? next) === end; next++) end++;
    for await (const row of rows.read(from, end)) {
      try {
        yield { document: task.read(row), row };
      } catch (error) {
        if (!(error instanceof PareError)) throw error;
        throw new PareError(`${rows.path}: document ${i}: ${error.message}`, { cause: error });
      }
      i++;
    }
  }
}
