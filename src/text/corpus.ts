/**
 * What a corpus is and where it lies: the word or path that a user writes, told apart, and the whole texts among them,
 * read. What is drawn or cut from a corpus is in `calibration.ts` and `windows.ts`; JSONL has its own file.
 */
import { fileURLToPath } from "node:url";
import { decodeText } from "../checkpoint/json.ts";
import { openFile } from "../checkpoint/file.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import { PareError } from "../errors.ts";
import { type DatasetName, DATASETS, type Split } from "./datasets.ts";

/** A corpus as the user named it. */
export type CorpusName =
  /**
   * A split of a published data set (`c4:validation`), from the Hub or where it was put: `wikitext2:<path>`,
   * `c4:validation:<path>`. C4 is gzipped JSONL, the others are raw or parquet. What it is for says which split, where none
   * is named.
   */
  | { readonly kind: DatasetName; readonly split?: Split; readonly path?: string }
  /** What the model itself writes. */
  | { readonly kind: "self" }
  /** The chapters of Austen that come with Pare. */
  | { readonly kind: "sample" }
  /** A plain text file, taken as one text. `title` is what a corpus that came by a pipe is called. */
  | { readonly kind: "text"; readonly path: string; readonly title?: string }
  /** Documents, one JSON object with `text` a line; gzip if it ends in `.gz`. */
  | { readonly kind: "jsonl"; readonly path: string; readonly title?: string }
  /** A safetensors file of token ids. */
  | { readonly kind: "tokens"; readonly path: string; readonly title?: string };

/** A whole text in memory. */
export interface Text {
  /** All of it. */
  readonly text: string;
  /** SHA-256 of the corpus's bytes, in hexadecimal. */
  readonly sha256: string;
  /** How it was put together, where it comes in parts. */
  readonly protocol?: string;
  /** Windows that are cut of it at most, where that is part of the protocol. */
  readonly mostWindows?: number;
}

/** A data set's name, one of its splits, and a path. */
const DATASET = new RegExp(`^(${Object.keys(DATASETS).join("|")})(?::(train|validation|test))?(?::(.+))?$`, "s");

/** The words that name a corpus; anything else is a path. */
const WORDS = [...Object.keys(DATASETS), "sample", "self"];

/**
 * Tells what a corpus is by its name: a data set (`c4`) with a split and a path or without (`wikitext2:validation`,
 * `wikitext2:<path>`, `c4:validation:<path>`), `sample`, a path, by its ending, or `stdin:<path>` and `pipe:<path>` for what
 * came by a pipe and lies there now. No file is opened. A file whose name is one of the words is reached as `./c4`.
 */
export function parseCorpus(name: string): CorpusName {
  if (name === "sample" || name === "self") return { kind: name };
  const [, set, split, where] = DATASET.exec(name) ?? [];
  if (set !== undefined) {
    const part = split === undefined ? {} : { split: split as Split };
    return { kind: set as DatasetName, ...part, ...where !== undefined && { path: where } };
  }
  const [, title, path = name] = /^(stdin|pipe):(.+)$/s.exec(name) ?? [];
  const kind = /\.safetensors$/i.test(path) ? "tokens" : /\.(jsonl|ndjson|json)(\.gz)?$/i.test(path) ? "jsonl" : "text";
  return { kind, path, ...title !== undefined && { title } };
}

/** Where a corpus lies here, as its name says it; nothing of one that is a word. */
export function pathOf(corpus: string): string | undefined {
  const name = parseCorpus(corpus);
  return "path" in name ? name.path : undefined;
}

/**
 * The split of a data set that is meant.
 * @param otherwise Where its name says none.
 * @throws PareError if the set has no such split.
 */
export function splitOf({ kind, split = undefined }: { kind: DatasetName; split?: Split }, otherwise: Split): Split {
  const meant = split ?? otherwise, has = Object.keys(DATASETS[kind].files).filter((each) => each !== "train");
  if (DATASETS[kind].files[meant] !== undefined) return meant;
  const others = has.map((each) => `${kind}:${each}`).join(", ");
  throw new PareError(
    split === undefined
      ? `${kind} is for calibration; expected ${others}, wikitext2, ptb, sample or the path of a file`
      : `${kind}:${split}: there is no such split; expected ${others}`,
  );
}

/** What `self` is answered with where no model writes. */
export function onlyForPrune(): PareError {
  return new PareError(
    "self: what the model writes itself is for prune's --calibration; a file of that name is ./self",
  );
}

/** What a corpus is called in reports. @param otherwise The split of a data set that is meant where its name says none. */
export function describeCorpus(name: CorpusName, otherwise: Split): string {
  switch (name.kind) {
    case "c4":
      return `c4 (English, first ${(name.split ?? otherwise) === "validation" ? "validation" : "training"} shard)`;
    case "self":
      return "what the model writes itself";
    case "sample":
      return "sample (Pride and Prejudice, chapters 1 to 20)";
    case "wikitext2":
    case "ptb": {
      const title = `${name.kind} (${name.split ?? otherwise})`;
      // The Hub's own file is what the word means.
      return name.path === undefined || name.path.endsWith(".parquet") ? title : name.path;
    }
    default:
      return name.title ?? name.path;
  }
}

/**
 * Reads a whole text file.
 * @throws PareError if there is no such file, if it is no UTF-8, or if it is too long to be one text (half a gigabyte).
 */
export async function readText(path: string): Promise<Text> {
  await using file = await openFile(path).catch((error) => {
    // A word misspelt looks like a path.
    if (!(error instanceof PareError) || /[./\\]/.test(path)) throw error;
    throw new PareError(`${error.message}; the corpora with a name are ${WORDS.join(", ")}`);
  });
  const bytes = await file.read(0, file.size);
  return { text: decodeText(bytes, path), sha256: sha256(bytes) };
}

/** The text that comes with Pare, for a first try with no network: 200 kB of Jane Austen (1813, public domain). */
export const SAMPLE = fileURLToPath(new URL("./sample/austen-pride-and-prejudice-1-20.txt", import.meta.url));
