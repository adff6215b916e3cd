/**
 * What a corpus is and where it lies: the word or path that a user writes, told apart, and the whole texts among them,
 * read. What is drawn or cut from a corpus is in `calibration.ts` and `windows.ts`; JSONL has its own file.
 */
import { fileURLToPath } from "node:url";
import { decodeText } from "../checkpoint/json.ts";
import { openFile } from "../checkpoint/file.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import { PareError } from "../errors.ts";

/** A corpus as the user named it. */
export type CorpusName =
  /** The published code's shard of C4, from the Hub or where it was put (`c4:<path>`). */
  | { readonly kind: "c4"; readonly path?: string }
  /** WikiText-2 raw: from the Hub, or a local file, raw or parquet (`wikitext2:<path>`). */
  | { readonly kind: "wikitext2"; readonly path?: string }
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
}

/** The words that name a corpus; anything else is a path. */
const WORDS = ["c4", "wikitext2", "sample"] as const;

/**
 * Tells what a corpus is by its name: a word, `wikitext2:<path>`, `c4:<path>`, a path, by its ending, or `stdin:<path>` and
 * `pipe:<path>` for what came by a pipe and lies there now. No file is opened. A file whose name is one of
 * the words is reached as `./c4`.
 */
export function parseCorpus(name: string): CorpusName {
  const word = WORDS.find((each) => each === name);
  if (word !== undefined) return { kind: word };
  for (const kind of ["wikitext2", "c4"] as const) {
    if (name.startsWith(`${kind}:`)) return { kind, path: name.slice(kind.length + 1) };
  }
  const [, title, path = name] = /^(stdin|pipe):(.+)$/s.exec(name) ?? [];
  const kind = /\.safetensors$/i.test(path) ? "tokens" : /\.(jsonl|ndjson|json)(\.gz)?$/i.test(path) ? "jsonl" : "text";
  return { kind, path, ...title !== undefined && { title } };
}

/** What a corpus is called in reports; `split` is the part of WikiText-2 that is meant. */
export function describeCorpus(name: CorpusName, split: "test" | "train"): string {
  switch (name.kind) {
    case "c4":
      return "c4 (English, first training shard)";
    case "sample":
      return "sample (Pride and Prejudice, chapters 1 to 20)";
    case "wikitext2":
      // The Hub's own file is what the word means.
      return name.path?.endsWith(".parquet") ? `wikitext2 (${split})` : name.path ?? `wikitext2 (${split})`;
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
