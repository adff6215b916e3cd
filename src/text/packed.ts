/**
 * Text to train on: a corpus as one stream of tokens, document after document, cut into windows of equal length without
 * overlap, as `run_clm` of transformers packs it. The first windows are held out, whatever number is trained on; the others
 * come in an order that a seed says, epoch after epoch, so that a step's number alone tells which windows it sees.
 */
import type { HubProgress } from "../checkpoint/hub.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import { PareError } from "../errors.ts";
import { type Batch, rectangle } from "./batch.ts";
import { type CorpusName, describeCorpus, onlyForPrune, parseCorpus, readText, SAMPLE, splitOf } from "./corpus.ts";
import { fetchSplit } from "./fetch.ts";
import { joinSplit } from "./joined.ts";
import { readDocuments } from "./jsonl.ts";
import { Random } from "./random.ts";
import { checkVocabulary, readTokens } from "./token_file.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How a corpus is packed, and for whom. */
export interface PackOptions {
  /** Gives the model's tokenizer; called only where there is text to read. */
  readonly tokenizer: () => Promise<Tokenizer>;
  /** How many ids the model has. */
  readonly vocabulary: number;
  /** Tokens of a window. */
  readonly seqlen: number;
  /** Windows to train on at most. */
  readonly windows: number;
  /** Windows that are held out. */
  readonly heldOut: number;
  /** Told how a download goes on. */
  readonly onProgress?: HubProgress;
}

/** Windows of token ids. */
export interface Packed {
  /** What is trained on, window after window. */
  readonly train: Batch;
  /** What is held out. */
  readonly heldOut: Batch;
  /** Tokens of a window. */
  readonly length: number;
  /** Windows to train on. */
  readonly windows: number;
  /** What was packed, for the report. */
  readonly description: string;
  /** SHA-256 of all ids, those held out first, each as four bytes, little-endian. */
  readonly sha256: string;
  /** The same of those that are held out. */
  readonly heldOutSha256: string;
}

/** Tokens of a document of C4, about: how many documents are read first. The result does not depend on it. */
const DOCUMENT_TOKENS = 400;

/**
 * Packs a corpus: any that {@linkcode calibrationSequences} draws from; of a file of token ids each row is a window.
 * @throws PareError if the corpus cannot be read or fetched, is too short, or has an id that the model does not know.
 */
export async function packWindows(corpus: string, options: PackOptions): Promise<Packed> {
  const { seqlen: length, heldOut, vocabulary } = options;
  if (length < 2) throw new PareError(`windows of ${length} token teach nothing; expected a --seqlen of 2 or more`);
  const name = parseCorpus(corpus), description = describeCorpus(name, "train");
  const needed = (heldOut + options.windows) * length, stream = await openStream(name, needed, options);
  const windows = Math.min(options.windows, Math.floor(stream.length / length) - heldOut);
  if (windows < 1) {
    throw new PareError(
      `training text too short: found ${stream.length} tokens in ${description}, needed ${
        (heldOut + 1) * length
      } for ` +
        `${heldOut} windows of ${length} that are held out and one to train on; a smaller --seqlen or --eval-windows may do`,
    );
  }
  const ids = stream.slice(0, (heldOut + windows) * length);
  checkVocabulary(ids, vocabulary, `training ${description}`);
  return {
    train: rectangle(ids.subarray(heldOut * length), length),
    heldOut: rectangle(ids.subarray(0, heldOut * length), length),
    length,
    windows,
    description,
    sha256: sha256(new Uint8Array(ids.buffer)),
    heldOutSha256: sha256(new Uint8Array(ids.buffer, 0, 4 * heldOut * length)),
  };
}

/** At least so many tokens of a corpus, if it has them. */
async function openStream(name: CorpusName, needed: number, options: PackOptions): Promise<Uint32Array<ArrayBuffer>> {
  const { seqlen, onProgress } = options;
  if (name.kind === "tokens") {
    const { ids, sequences, length } = await readTokens(name.path, "calibration");
    if (length < seqlen) {
      throw new PareError(`${name.path}: its rows have ${length} tokens; expected a --seqlen of ${length} or less`);
    }
    const cut = new Uint32Array(sequences * seqlen);
    for (let row = 0; row < sequences; row++) {
      cut.set(ids.subarray(row * length, row * length + seqlen), row * seqlen);
    }
    return cut;
  }
  if (name.kind === "self") throw onlyForPrune();
  const tokenizer = await options.tokenizer();
  switch (name.kind) {
    case "sample":
      return tokenizer.encode((await readText(SAMPLE)).text, { special: true }).slice();
    case "text":
      return tokenizer.encode((await readText(name.path)).text, { special: true }).slice();
    case "wikitext2":
    case "ptb": {
      const { text } = await joinSplit(name.kind, splitOf(name, "train"), { path: name.path, onProgress });
      return tokenizer.encode(text, { special: true }).slice();
    }
    case "jsonl":
      return await joinDocuments(name.path, needed, tokenizer);
    case "c4": {
      const path = name.path ?? await fetchSplit("c4", splitOf(name, "train"), { onProgress });
      return await joinDocuments(path, needed, tokenizer);
    }
  }
}

/** The first documents of a file, each with the tokenizer's special tokens, until there are tokens enough. */
async function joinDocuments(path: string, needed: number, tokenizer: Tokenizer): Promise<Uint32Array<ArrayBuffer>> {
  const parts: Uint32Array[] = [];
  let found = 0;
  for (let first = 0, end = Math.ceil(needed / DOCUMENT_TOKENS);; first = end, end *= 2) {
    const { texts, count } = await readDocuments(path, (index) => index >= first && index < end);
    for (const text of texts.values()) {
      const ids = tokenizer.encode(text, { special: true });
      parts.push(ids);
      found += ids.length;
      if (found >= needed) break;
    }
    if (found >= needed || end >= count) break;
  }
  const all = new Uint32Array(found);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Which windows each step sees: every epoch has all windows once, in an order of its own (Fisher and Yates's shuffle by
 * CPython's generator, seeded by seed and epoch); what is left of an epoch begins the next step.
 */
export class WindowOrder {
  #epoch = -1;
  #order: Uint32Array = new Uint32Array(0);

  /**
   * @param windows How many there are.
   * @param batch How many a step sees.
   */
  constructor(readonly windows: number, readonly batch: number, readonly seed: number) {}

  /** The windows of a step, counted from 0. */
  of(step: number): Uint32Array {
    return Uint32Array.from({ length: this.batch }, (_, i) => {
      const place = step * this.batch + i, epoch = Math.floor(place / this.windows);
      if (epoch !== this.#epoch) this.#shuffle(epoch);
      return this.#order[place % this.windows];
    });
  }

  #shuffle(epoch: number): void {
    const order = Uint32Array.from({ length: this.windows }, (_, i) => i);
    const random = new Random((BigInt(this.seed) << 32n) + BigInt(epoch));
    for (let i = this.windows - 1; i > 0; i--) {
      const j = random.randint(0, i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    this.#epoch = epoch;
    this.#order = order;
  }
}
