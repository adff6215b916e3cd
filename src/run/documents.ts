/**
 * What the documents of a benchmark gave, as the registry keeps it: column by column, as compressed JSON. A set has up to ten
 * thousands of documents; kept so, one takes about ten bytes a request, nearly all of them the digits of its log-likelihood,
 * which is kept to the bit: a repetition is held against it.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { DocumentRecord } from "./record.ts";

/** What was answered, in columns. */
interface Packed {
  readonly logLikelihoods: readonly (readonly number[])[];
  readonly greedy: readonly (readonly (0 | 1)[])[];
  /** An older Pare kept them here. */
  readonly scores?: ScoreColumns;
}

/** What documents were worth, document after document by metric. */
export type ScoreColumns = { readonly [metric in keyof DocumentRecord["scores"]]: readonly number[] };

/** Documents as bytes: what they were worth apart, since that alone is read to compare two models. */
export interface PackedDocuments {
  readonly documents: Uint8Array;
  /** None of an older Pare's. */
  readonly scores?: Uint8Array | null;
}

/** Documents as bytes. */
export function packDocuments(documents: readonly DocumentRecord[]): Required<PackedDocuments> {
  const metrics = Object.keys(documents[0]?.scores ?? {}) as (keyof ScoreColumns)[];
  const packed: Packed = {
    logLikelihoods: documents.map(({ answers }) => answers.map(({ logLikelihood }) => logLikelihood)),
    greedy: documents.map(({ answers }) => answers.map(({ greedy }) => greedy ? 1 : 0)),
  };
  const scores: ScoreColumns = Object.fromEntries(
    metrics.map((metric) => [metric, documents.map(({ scores }) => scores[metric]!)]),
  );
  return { documents: deflateRawSync(JSON.stringify(packed)), scores: deflateRawSync(JSON.stringify(scores)) };
}

/** What the documents were worth. @throws SyntaxError for bytes that are none. */
export function unpackScores({ documents, scores }: PackedDocuments): ScoreColumns {
  return scores ? inflate(scores) : inflate<Required<Packed>>(documents).scores;
}

/** The same documents. @throws SyntaxError for bytes that are none. */
export function unpackDocuments({ documents, scores }: PackedDocuments): DocumentRecord[] {
  const { logLikelihoods, greedy, scores: older }: Packed = inflate(documents);
  const metrics = Object.entries(scores ? inflate<ScoreColumns>(scores) : older!);
  return logLikelihoods.map((own, at) => ({
    answers: own.map((logLikelihood, i) => ({ logLikelihood, greedy: greedy[at][i] === 1 })),
    scores: Object.fromEntries(metrics.map(([metric, numbers]) => [metric, numbers![at]])),
  }));
}

function inflate<T>(bytes: Uint8Array): T {
  try {
    return JSON.parse(new TextDecoder().decode(inflateRawSync(bytes)));
  } catch (error) {
    throw new SyntaxError("documents that were not compressed so", { cause: error });
  }
}
