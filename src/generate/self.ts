/**
 * Calibration text that a model writes itself (Williams, Chrysostomou and Aletras, NAACL 2025): nothing needs to be fetched, and
 * it is what the model takes for text. Every token is drawn from the whole distribution at temperature 1; what ends a text is a
 * token like any other, as in training texts stand one behind the other.
 */
import type { Backend } from "../backend/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { PareError } from "../errors.ts";
import { Random } from "../text/random.ts";
import { attentionsOf } from "./cache.ts";
import { Context } from "./context.ts";
import { ResidentModel } from "./resident.ts";

/** Bytes of keys and values of the sequences that are written side by side: what is read of weights serves all of them. */
const CACHE_BYTES = 512 << 20;
/** Sequences that are written side by side at most. */
const MOST_SEQUENCES = 32;

/** What is written. */
export interface SelfWrittenOptions {
  /** The dense model. */
  readonly checkpoint: Checkpoint;
  /** Where it is computed. */
  readonly backend: Backend;
  /** Sequences. */
  readonly samples: number;
  /** Tokens of each, the first among them. */
  readonly length: number;
  /** Sequence i draws from CPython's `Random(seed + i)`, one number for each token. */
  readonly seed: number;
  /** What every sequence begins with; the config's `bos_token_id` unless given. */
  readonly startToken?: number;
  /** Told of tokens that are written, now and in all. */
  readonly onProgress?: (tokens: number, of: number) => void;
  /** Stops it between two tokens. */
  readonly signal?: AbortSignal;
}

/**
 * What every sequence begins with.
 * @throws PareError if nothing says it.
 */
export function startTokenOf(
  { checkpoint, startToken }: Pick<SelfWrittenOptions, "checkpoint" | "startToken">,
): number {
  const start = startToken ?? checkpoint.config.bos_token_id;
  if (typeof start === "number") return start;
  throw new PareError(
    `${checkpoint.path}: config.json names no bos_token_id for a text to begin with: expected --start-token`,
  );
}

/**
 * Token ids that a model writes, sequence after sequence.
 * @throws PareError if nothing says what a sequence begins with, or there is no room for the model or what it has read.
 */
export async function writeItself(options: SelfWrittenOptions): Promise<Uint32Array<ArrayBuffer>> {
  const { checkpoint, backend, samples, length, seed, onProgress, signal } = options;
  const start = startTokenOf(options);
  using model = await ResidentModel.open({ checkpoint, backend, signal });
  const together = sideBySide(model, length), ids = new Uint32Array(samples * length);
  for (let first = 0; first < samples; first += together) {
    const count = Math.min(together, samples - first);
    const generators = Array.from({ length: count }, (_, i) => new Random(seed + first + i));
    const sequences = generators.map(() => [start]);
    using context = new Context(model, { sequences: count, length });
    for (let token = 1; token < length; token++) {
      const logits = await context.read(sequences.map((ids, sequence) => ({ sequence, ids })), { signal });
      logits.forEach((own, i) => sequences[i].push(drawFrom(own, generators[i].random())));
      onProgress?.(first * length + (token + 1) * count, samples * length);
    }
    sequences.forEach((own, i) => ids.set(own, (first + i) * length));
  }
  return ids;
}

/** How many sequences are written at once: it depends on the model alone, as their numbers do. */
function sideBySide({ spec }: ResidentModel, length: number): number {
  const each = attentionsOf(spec).reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim, 0) * length *
    Float32Array.BYTES_PER_ELEMENT;
  return Math.max(1, Math.min(MOST_SEQUENCES, Math.floor(CACHE_BYTES / each)));
}

/** The first id at which the running sum of the probabilities exceeds a share of all: softmax in f64. */
function drawFrom(logits: Float32Array, share: number): number {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  if (!Number.isFinite(largest)) {
    throw new PareError("the model's logits overflow: it cannot write its own calibration text");
  }
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const limit = share * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  for (const [id, weight] of weights.entries()) {
    sum += weight;
    if (sum > limit) return id;
  }
  return weights.findLastIndex((weight) => weight > 0);
}
