/**
 * Evaluation windows: a corpus as one stream of tokens, cut into windows of equal length without overlap, the rest
 * dropped, as published perplexities are measured (`eval_ppl_wikitext` of locuslab/wanda). Every number that comes of
 * them stands beside their length, their count and the corpus's SHA-256.
 */
import { openFile } from "../checkpoint/file.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import type { HubProgress } from "../checkpoint/hub.ts";
import { PareError } from "../errors.ts";
import { type Batch, rectangle } from "./batch.ts";
import { DEFAULT_SEQLEN } from "./calibration.ts";
import {
  type CorpusName,
  describeCorpus,
  onlyForPrune,
  parseCorpus,
  readText,
  SAMPLE,
  splitOf,
  type Text,
} from "./corpus.ts";
import { joinSplit } from "./joined.ts";
import { readDocuments } from "./jsonl.ts";
import { checkVocabulary, readTokens } from "./token_file.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How a corpus is cut, and for whom. */
export interface WindowOptions {
  /** Gives the model's tokenizer; called only where there is text to read. */
  readonly tokenizer: () => Promise<Tokenizer>;
  /** How many ids the model has. */
  readonly vocabulary: number;
  /** Tokens of a window: `defaultSeqlen` unless given; of a file of token ids a row of it. */
  readonly seqlen?: number;
  /** What text is cut into if `seqlen` is not given: 2048, or the model's limit if that is less. */
  readonly defaultSeqlen?: number;
  /** At most so many windows, the first ones; all unless given. */
  readonly windows?: number;
  /** Whether the text gets the tokenizer's special tokens, as in the published code; true unless given. */
  readonly special?: boolean;
  /** Told how a download goes on. */
  readonly onProgress?: HubProgress;
}

/** Windows of token ids, one after another. */
export interface Windows extends Batch {
  /** Row-major, windows x length. */
  readonly ids: Uint32Array<ArrayBuffer>;
  /** How many. */
  readonly windows: number;
  /** Tokens of a window. */
  readonly length: number;
  /** What was cut, for the report. */
  readonly description: string;
  /** SHA-256 of the corpus's bytes, in hexadecimal (WikiText-2, PTB: of its rows, a line each; JSONL and C4: unzipped). */
  readonly sha256: string;
  /** How the text was put together, where the corpus comes in parts: the same bytes can be joined in several ways. */
  readonly protocol?: string;
}

/** A corpus as one stream of ids. `length` is set where it is cut already. */
type Stream = Pick<Windows, "ids"> & Omit<Text, "text"> & { readonly length?: number };

/**
 * The evaluation windows of a corpus: `wikitext2` and `ptb` (their test splits), `wikitext2:validation`, `c4:validation`,
 * each with the path of a file behind it (`wikitext2:<raw file>`) or from the Hub, `sample`, or the path of a text file, a JSONL file (documents joined by two newlines), or a safetensors file (I32 `evaluation`, windows x
 * tokens: one stream, cut anew if `seqlen` is given).
 * @throws PareError if the corpus cannot be read or fetched, has less than one window, or has an id that the model does
 * not know.
 */
export async function evaluationWindows(corpus: string, options: WindowOptions): Promise<Windows> {
  const name = parseCorpus(corpus);
  const description = describeCorpus(name, "test");
  const { ids: stream, sha256, protocol, mostWindows = Infinity, ...cut } = await openStream(name, options);
  const length = options.seqlen ?? cut.length ?? options.defaultSeqlen ?? DEFAULT_SEQLEN;
  if (length < 2) throw new PareError(`windows of ${length} token predict nothing; expected a length of 2 or more`);
  const windows = Math.min(Math.floor(stream.length / length), mostWindows, options.windows ?? Infinity);
  if (windows === 0) {
    throw new PareError(
      `evaluation text too short: found ${stream.length} tokens in ${description}, needed ${length} for one window`,
    );
  }
  const ids = stream.slice(0, windows * length);
  checkVocabulary(ids, options.vocabulary, `evaluation ${description}`);
  return { ...rectangle(ids, length), windows, length, description, sha256, ...protocol && { protocol } };
}

async function openStream(name: CorpusName, options: WindowOptions): Promise<Stream> {
  if (name.kind === "tokens") {
    const { ids, length } = await readTokens(name.path, "evaluation");
    await using file = await openFile(name.path);
    return { ids, length, sha256: sha256(await file.read(0, file.size)) };
  }
  const { text, ...about } = await openText(name, options.onProgress);
  const tokenizer = await options.tokenizer();
  return { ids: tokenizer.encode(text, { special: options.special ?? true }), ...about };
}

async function openText(name: Exclude<CorpusName, { kind: "tokens" }>, onProgress?: HubProgress): Promise<Text> {
  switch (name.kind) {
    case "c4":
    case "wikitext2":
    case "ptb":
      return await joinSplit(name.kind, splitOf(name, "test"), { path: name.path, onProgress });
    case "sample":
      return await readText(SAMPLE);
    case "self":
      throw onlyForPrune();
    case "text":
      return await readText(name.path);
    case "jsonl": {
      const { texts, sha256 } = await readDocuments(name.path, () => true);
      return { text: [...texts.values()].join("\n\n"), sha256, protocol: 'documents joined by "\\n\\n"' };
    }
  }
}
