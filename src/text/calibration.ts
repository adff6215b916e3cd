/**
 * Calibration sequences: what a calibrated method sees of the world. They are drawn exactly as the published code draws
 * them (`get_c4` and `get_wikitext2` of locuslab/wanda), so that the same seed gives the same sequences, or come ready
 * made from a file of token ids.
 */
import type { HubProgress } from "../checkpoint/hub.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import { type Batch, rectangle } from "./batch.ts";
import { type CorpusName, describeCorpus, onlyForPrune, parseCorpus, readText, SAMPLE, splitOf } from "./corpus.ts";
import { fetchSplit } from "./fetch.ts";
import { type Draw, drawFromDocuments, drawFromText } from "./draw.ts";
import { joinSplit } from "./joined.ts";
import { checkVocabulary, readTokens, type TokenMatrix } from "./token_file.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How many sequences the published code draws unless told otherwise. */
export const DEFAULT_SAMPLES = 128;

/** Tokens of a sequence in the published code's experiments (the context of LLaMA 1). */
export const DEFAULT_SEQLEN = 2048;

/** What a model is to write. */
export interface SelfWritten {
  /** Sequences. */
  readonly samples: number;
  /** Tokens of each. */
  readonly length: number;
  /** Of the generators that they are drawn by. */
  readonly seed: number;
}

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
  /** Writes the sequences of `self`; without it that is refused. */
  readonly writeItself?: (asked: SelfWritten) => Promise<Uint32Array<ArrayBuffer>>;
  /** Told how a download goes on. */
  readonly onProgress?: HubProgress;
}

/** Sequences of token ids, one after another. */
export interface Calibration extends TokenMatrix, Batch {
  /** Token ids, sequence after sequence. */
  readonly ids: Uint32Array<ArrayBuffer>;
  /** What they were drawn from, for the report. */
  readonly description: string;
  /** SHA-256 of the ids, each as four bytes, little-endian: equal if and only if the sequences are. */
  readonly sha256: string;
}

/**
 * The calibration sequences of a corpus: a published data set (`c4`, `wikitext2`, `ptb`; `wikitext2:<raw file>`), of which
 * the train split is meant unless another is named, `sample`, `self` (what the model writes), or the path of a text, JSONL or safetensors file (I32 `calibration`, sequences x tokens).
 * @throws PareError if the corpus cannot be read or fetched, is too short, or has an id that the model does not know.
 */
export async function calibrationSequences(corpus: string, options: CalibrationOptions): Promise<Calibration> {
  const name = parseCorpus(corpus);
  const description = describeCorpus(name, "train");
  const matrix = name.kind === "tokens"
    ? first(await readTokens(name.path, "calibration"), options.samples, options.seqlen)
    : await draw(name, options);
  checkVocabulary(matrix.ids, options.vocabulary, `calibration ${description}`);
  return {
    ...matrix,
    ...rectangle(matrix.ids, matrix.length),
    description,
    sha256: sha256(new Uint8Array(matrix.ids.buffer)),
  };
}

async function draw(name: Exclude<CorpusName, { kind: "tokens" }>, options: CalibrationOptions): Promise<TokenMatrix> {
  const { samples = DEFAULT_SAMPLES, seed = 0, special = true, onProgress } = options;
  const length = options.seqlen ?? options.defaultSeqlen ?? DEFAULT_SEQLEN;
  if (name.kind === "self") {
    if (!options.writeItself) throw onlyForPrune();
    return { ids: await options.writeItself({ samples, length, seed }), sequences: samples, length };
  }
  const tokenizer = await options.tokenizer();
  const how: Draw = { samples, length, seed, encode: (text) => tokenizer.encode(text, { special }) };
  const fromCorpus = async () => {
    switch (name.kind) {
      case "sample":
        return drawFromText((await readText(SAMPLE)).text, "the sample", how);
      case "text":
        return drawFromText((await readText(name.path)).text, name.title ?? name.path, how);
      case "wikitext2":
      case "ptb": {
        const { text } = await joinSplit(name.kind, splitOf(name, "train"), { path: name.path, onProgress });
        return drawFromText(text, name.kind, how);
      }
      case "jsonl":
        return await drawFromDocuments(name.path, how);
      case "c4":
        return await drawFromDocuments(
          name.path ?? await fetchSplit("c4", splitOf(name, "train"), { onProgress }),
          how,
        );
    }
  };
  return { ids: await fromCorpus(), sequences: samples, length };
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
