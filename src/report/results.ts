/** What a comparison found, as plain data: one row for each model that was pruned and evaluated. */
import type { Figure, Result } from "../task/results.ts";

/** One pruned model. */
export interface Row {
  /** `dense`, or the method's name, such as `wanda` or `wanda+owl`. */
  readonly method: string;
  /** What was asked: a share such as `0.5`, a pattern such as `2:4`, or nothing. */
  readonly asked: string;
  /** The share of zeros among the weights of all linears. */
  readonly sparsity: number;
  /** Where one was asked for. */
  readonly perplexity?: number;
  /** What benchmarks came to, and groups of them: the same ones in every row. */
  readonly results?: readonly Result[];
  /** By how much the accuracy that methods are compared by differs from the dense model's, paired by question. */
  readonly toDense?: Figure;
  /** Where text was asked for. */
  readonly decode?: Decoding;
  /** Seconds of scoring, masking and solving. */
  readonly metricSeconds?: number;
  /** Seconds of the whole pruning: observing and propagating as well. */
  readonly seconds?: number;
  /** Seconds that all threads of the process computed meanwhile: on a busy machine, too, what the method asks for. */
  readonly cpuSeconds?: number;
  /** The most memory that was seen in use meanwhile, bytes. */
  readonly peakBytes?: number;
}

/** What text token by token takes, of a model whose zeros are not stored. */
export interface Decoding {
  /** The median of several texts, tokens a second. */
  readonly tokensPerSecond: number;
  /** Bytes of weights that a token reads. */
  readonly bytesPerToken: number;
  /** Bytes that all tensors take in the packed file. */
  readonly packedBytes: number;
  /** How the weights of linears lie, by kind: `F16 2:4`. */
  readonly kinds: readonly string[];
}

/** Perplexities of one method by one number of calibration sequences. */
export interface SamplePoint {
  readonly method: string;
  readonly samples: number;
  /** One for each seed. */
  readonly perplexities: readonly number[];
  readonly mean: number;
  /** Standard deviation over the seeds (n - 1); 0 of a single one. */
  readonly deviation: number;
}

/** A comparison, whole. */
export interface Comparison {
  readonly model: string;
  /** What perplexity was measured on, if it was: corpus, windows and their length, SHA-256. */
  readonly evaluation?: Protocol;
  /** The files that benchmarks were read from, if there were any. */
  readonly data?: readonly { readonly name: string; readonly sha256: string }[];
  /** What inputs were measured on. */
  readonly calibration?: Protocol;
  /** What pruned models were trained further within, if they were; rows with another way behind the method's name are those. */
  readonly finetune?: string;
  readonly rows: readonly Row[];
  /** By number of calibration sequences, if several were asked for. */
  readonly samples?: {
    readonly asked: string;
    readonly seeds: readonly number[];
    readonly points: readonly SamplePoint[];
  };
}

/** A heading and what stands under it, for any renderer. */
export interface Table {
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Some text, cut into sequences. */
export interface Protocol {
  readonly description: string;
  readonly sequences: number;
  readonly seqlen: number;
  readonly sha256: string;
  /** How the text was put together, where it comes in parts. */
  readonly protocol?: string;
}

/** The point of these perplexities. */
export function samplePoint(method: string, samples: number, perplexities: readonly number[]): SamplePoint {
  const mean = perplexities.reduce((a, b) => a + b) / perplexities.length;
  const squares = perplexities.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  const deviation = perplexities.length > 1 ? Math.sqrt(squares / (perplexities.length - 1)) : 0;
  return { method, samples, perplexities, mean, deviation };
}
