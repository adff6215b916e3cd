/**
 * The data sets of published perplexities as values: what they are called, and where their splits lie on the Hub. How a split
 * becomes a text is in `joined.ts`.
 */

/** A part of a data set. */
export type Split = "train" | "validation" | "test";

/** A data set that a word stands for. */
export type DatasetName = "c4" | "wikitext2" | "ptb";

/** Where a data set lies. */
export interface Dataset {
  /** `owner/name` on the Hub. */
  readonly id: string;
  /** The branch, where it is not the main one. */
  readonly revision?: string;
  /** The file of each split that it has: of C4 its first shard, which is all that the published code takes. */
  readonly files: Readonly<Partial<Record<Split, string>>>;
}

/** See the file's head. */
export const DATASETS: Readonly<Record<DatasetName, Dataset>> = {
  c4: {
    id: "allenai/c4",
    files: {
      train: "en/c4-train.00000-of-01024.json.gz",
      validation: "en/c4-validation.00000-of-00008.json.gz",
    },
  },
  wikitext2: {
    id: "Salesforce/wikitext",
    files: {
      train: "wikitext-2-raw-v1/train-00000-of-00001.parquet",
      validation: "wikitext-2-raw-v1/validation-00000-of-00001.parquet",
      test: "wikitext-2-raw-v1/test-00000-of-00001.parquet",
    },
  },
  // The set itself is a script; the Hub has what that gives as parquet.
  ptb: {
    id: "ptb-text-only/ptb_text_only",
    revision: "refs/convert/parquet",
    files: {
      train: "penn_treebank/train/0000.parquet",
      validation: "penn_treebank/validation/0000.parquet",
      test: "penn_treebank/test/0000.parquet",
    },
  },
};
