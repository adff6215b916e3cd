/**
 * What the documents of a benchmark gave, as the registry keeps it: column by column, as compressed JSON. A set has up to ten
 * thousands of documents; kept so, one takes about ten bytes a request, nearly all of them the digits of its log-likelihood,
 * which is kept to the bit: a repetition is held against it.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { DocumentRecord } from "./record.ts";

/** The columns. */
interface Packed {
  readonly logLikelihoods: readonly (readonly number[])[];
  readonly greedy: readonly (readonly (0 | 1)[])[];
  /** By metric. */
  readonly scores: { readonly [metric: string]: readonly number[] };
}

/** Documents as bytes. */
export function packDocuments(documents: readonly DocumentRecord[]): Uint8Array {
  const metrics = Object.keys(documents[0]?.scores ?? {}) as (keyof DocumentRecord["scores"])[];
  const packed: Packed = {
    logLikelihoods: documents.map(({ answers }) => answers.map(({ logLikelihood }) => logLikelihood)),
    greedy: documents.map(({ answers }) => answers.map(({ greedy }) => greedy ? 1 : 0)),
    scores: Object.fromEntries(metrics.map((metric) => [metric, documents.map(({ scores }) => scores[metric]!)])),
  };
  return deflateRawSync(JSON.stringify(packed));
}

/** The same documents. @throws SyntaxError for bytes that are none. */
export function unpackDocuments(bytes: Uint8Array): DocumentRecord[] {
  const { logLikelihoods, greedy, scores }: Packed = JSON.parse(inflate(bytes)), metrics = Object.entries(scores);
  return logLikelihoods.map((own, at) => ({
    answers: own.map((logLikelihood, i) => ({ logLikelihood, greedy: greedy[at][i] === 1 })),
    scores: Object.fromEntries(metrics.map(([metric, numbers]) => [metric, numbers[at]])),
  }));
}

function inflate(bytes: Uint8Array): string {
  try {
    return new TextDecoder().decode(inflateRawSync(bytes));
  } catch (error) {
    throw new SyntaxError("documents that were not compressed so", { cause: error });
  }
}
