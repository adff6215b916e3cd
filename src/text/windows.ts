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
import { type CorpusName, describeCorpus, parseCorpus, readText, SAMPLE, type Text } from "./corpus.ts";
import { readDocuments } from "./jsonl.ts";
import { checkVocabulary, readTokens } from "./token_file.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { wikitext2 } from "./wikitext.ts";

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
  /** SHA-256 of the corpus's bytes, in hexadecimal (WikiText-2: of its raw file; JSONL: unzipped). */
  readonly sha256: string;
}

/** A corpus as one stream of ids. `length` is set where it is cut already. */
type Stream = Pick<Windows, "ids" | "sha256"> & { readonly length?: number };

/**
 * The evaluation windows of a corpus: `wikitext2` (its test split), `wikitext2:<raw file>`, `sample`, or the path of a
 * text file, a JSONL file (documents joined by two newlines), or a safetensors file (I32 `evaluation`, windows x
 * tokens: one stream, cut anew if `seqlen` is given).
 * @throws PareError if the corpus cannot be read or fetched, has less than one window, or has an id that the model does
 * not know.
 */
export async function evaluationWindows(corpus: string, options: WindowOptions): Promise<Windows> {
  const name = parseCorpus(corpus);
  const description = describeCorpus(name, "test");
  const { ids: stream, sha256, ...cut } = await openStream(name, options);
  const length = options.seqlen ?? cut.length ?? options.defaultSeqlen ?? DEFAULT_SEQLEN;
  if (length < 2) throw new PareError(`windows of ${length} token predict nothing; expected a length of 2 or more`);
  const windows = Math.min(Math.floor(stream.length / length), options.windows ?? Infinity);
  if (windows === 0) {
    throw new PareError(
      `evaluation text too short: found ${stream.length} tokens in ${description}, needed ${length} for one window`,
    );
  }
  const ids = stream.slice(0, windows * length);
  checkVocabulary(ids, options.vocabulary, `evaluation ${description}`);
  return { ...rectangle(ids, length), windows, length, description, sha256 };
}

async function openStream(name: CorpusName, options: WindowOptions): Promise<Stream> {
  if (name.kind === "tokens") {
    const { ids, length } = await readTokens(name.path, "evaluation");
    await using file = await openFile(name.path);
    return { ids, length, sha256: sha256(await file.read(0, file.size)) };
  }
  const { text, sha256: digest } = await openText(name, options.onProgress);
  const tokenizer = await options.tokenizer();
  return { ids: tokenizer.encode(text, { special: options.special ?? true }), sha256: digest };
}

async function openText(name: Exclude<CorpusName, { kind: "tokens" }>, onProgress?: HubProgress): Promise<Text> {
  switch (name.kind) {
    case "c4":
      throw new PareError("c4 is for calibration; expected wikitext2, sample or the path of a file");
    case "wikitext2":
      return await wikitext2("test", { path: name.path, onProgress });
    case "sample":
      return await readText(SAMPLE);
    case "text":
      return await readText(name.path);
    case "jsonl": {
      const { texts, sha256 } = await readDocuments(name.path, () => true);
      return { text: [...texts.values()].join("\n\n"), sha256 };
    }
  }
}
