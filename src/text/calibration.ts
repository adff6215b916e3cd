/**
 * Calibration sequences: what a calibrated method sees of the world. They are drawn exactly as the published code draws
 * them (`get_c4` and `get_wikitext2` of locuslab/wanda), so that the same seed gives the same sequences, or come ready
 * made from a file of token ids.
 */
import { fetchDatasetFile, type HubProgress } from "../checkpoint/hub.ts";
import { PareError } from "../errors.ts";
import { parseCorpus, readSample, readText, SAMPLE_DESCRIPTION, sha256, type Text } from "./corpus.ts";
import { drawFromDocuments } from "./documents.ts";
import { Random } from "./random.ts";
import { checkVocabulary, readTokens, type TokenMatrix } from "./token_file.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { wikitext2 } from "./wikitext.ts";

/** How many sequences the published code draws unless told otherwise. */
export const DEFAULT_SAMPLES = 128;

/** Tokens of a sequence in the published code's experiments (the context of LLaMA 1). */
export const DEFAULT_SEQLEN = 2048;

/** Where the published code's shard of C4 lies on the Hub. */
const C4_REPOSITORY = "allenai/c4", C4_FILE = "en/c4-train.00000-of-01024.json.gz";

/** What is drawn, and for whom. */
export interface CalibrationOptions {
  /** Gives the model's tokenizer; called only where there is text to read. */
  readonly tokenizer: () => Promise<Tokenizer>;
  /** How many ids the model has. */
  readonly vocabulary: number;
  /** Sequences: 128 unless given; of a file of token ids all, or the first so many. */
  readonly samples?: number;
  /** Tokens of a sequence: `defaultSeqlen` unless given; of a file of token ids all of a row, or its first so many. */
  readonly seqlen?: number;
  /** What text is cut into if `seqlen` is not given: 2048, or the model's limit if that is less. */
  readonly defaultSeqlen?: number;
  /** Seed of CPython's generator; 0 unless given. */
  readonly seed?: number;
  /** Whether a text gets the tokenizer's special tokens, as in the published code; true unless given. */
  readonly special?: boolean;
  /** Told how a download goes on. */
  readonly onProgress?: HubProgress;
}

/** Sequences of token ids, one after another. */
export interface Calibration extends TokenMatrix {
  /** What they were drawn from, for the report. */
  readonly description: string;
  /** SHA-256 of the ids, each as four bytes, little-endian: equal if and only if the sequences are. */
  readonly sha256: string;
}

/**
 * The calibration sequences of a corpus: `c4`, `wikitext2`, `wikitext2:<raw file>`, `sample`, or the path of a text,
 * JSONL or safetensors file (I32 `calibration`, sequences x tokens).
 * @throws PareError if the corpus cannot be read or fetched, is too short, or has an id that the model does not know.
 */
export async function calibrationSequences(corpus: string, options: CalibrationOptions): Promise<Calibration> {
  const { matrix, description } = await draw(corpus, options);
  checkVocabulary(matrix.ids, options.vocabulary, `calibration ${description}`);
  return { ...matrix, description, sha256: sha256(new Uint8Array(matrix.ids.buffer)) };
}

async function draw(
  corpus: string,
  options: CalibrationOptions,
): Promise<{ matrix: TokenMatrix; description: string }> {
  const { special = true, seed = 0, samples = DEFAULT_SAMPLES, onProgress } = options;
  const length = options.seqlen ?? options.defaultSeqlen ?? DEFAULT_SEQLEN;
  const name = parseCorpus(corpus);
  if (name.kind === "tokens") {
    const all = await readTokens(name.path, "calibration");
    return { matrix: first(all, options.samples, options.seqlen), description: name.path };
  }
  const tokenizer = await options.tokenizer();
  const encode = (text: string) => tokenizer.encode(text, { special });
  const random = new Random(seed);
  const fromText = ({ text }: Text, description: string) => {
    const ids = drawFromText(encode(text), { samples, length, random, description });
    return { matrix: { ids, sequences: samples, length }, description };
  };
  switch (name.kind) {
    case "sample":
      return fromText(await readSample(), SAMPLE_DESCRIPTION);
    case "text":
      return fromText(await readText(name.path), name.path);
    case "wikitext2":
      return fromText(await wikitext2("train", { path: name.path, onProgress }), name.path ?? "wikitext2 (train)");
    case "c4":
    case "jsonl": {
      const path = name.kind === "jsonl" ? name.path : await fetchDatasetFile(C4_REPOSITORY, C4_FILE, { onProgress });
      const ids = await drawFromDocuments(path, { samples, length, seed, encode });
      return {
        matrix: { ids, sequences: samples, length },
        description: name.kind === "c4" ? `c4 (${C4_FILE})` : path,
      };
    }
  }
}

/** Sequences that begin anywhere in one stream of tokens; they may overlap (`get_wikitext2`). */
function drawFromText(
  tokens: Uint32Array,
  { samples, length, random, description }: { samples: number; length: number; random: Random; description: string },
): Uint32Array<ArrayBuffer> {
  if (tokens.length <= length) {
    throw new PareError(
      `calibration ${description}: found ${tokens.length} tokens, needed ${length + 1} for sequences of ${length}`,
    );
  }
  const ids = new Uint32Array(samples * length);
  for (let sample = 0; sample < samples; sample++) {
    const start = random.randint(0, tokens.length - length - 1);
    ids.set(tokens.subarray(start, start + length), sample * length);
  }
  return ids;
}

/** The first `samples` rows of a matrix and the first `length` ids of each, as far as there are so many. */
function first(matrix: TokenMatrix, samples = Infinity, seqlen = Infinity): TokenMatrix {
  const sequences = Math.min(matrix.sequences, samples), length = Math.min(matrix.length, seqlen);
  const ids = new Uint32Array(sequences * length);
  for (let row = 0; row < sequences; row++) {
    ids.set(matrix.ids.subarray(row * matrix.length, row * matrix.length + length), row * length);
  }
  return { ids, sequences, length };
}
