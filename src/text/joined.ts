/**
 * Splits of data sets as one text, the way the published code (`lib/data.py` of locuslab/wanda, `datautils.py` of
 * IST-DASLab/sparsegpt) makes them: rows as the usual data set gives them, joined. WikiText-2 raw (Merity et al., 2016): a
 * row of white space is the empty string, every other keeps its newline; the test split is joined by two newlines, the train
 * split by a space. Penn Treebank (Marcus et al., 1993, as Mikolov prepared it): sentences, joined by a space. C4 (Raffel et
 * al., 2020): the first documents of a shard, joined by a space. All of it is odd, and all of it is what published
 * perplexities rest on.
 */
import { openFile } from "../checkpoint/file.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import type { HubProgress } from "../checkpoint/hub.ts";
import { PareError } from "../errors.ts";
import { readText, type Text } from "./corpus.ts";
import type { DatasetName, Split } from "./datasets.ts";
import { fetchSplit } from "./fetch.ts";
import { readDocuments } from "./jsonl.ts";
import { strip } from "./python.ts";

/** Where a split lies, if it lies here, and who hears of it on its way. */
export interface JoinOptions {
  /** A local file; without one the split is taken from the Hub. */
  readonly path?: string;
  /** Told how a download goes on. */
  readonly onProgress?: HubProgress;
}

/** A data set that comes in rows, in parquet or as a raw file with a row a line. */
interface RowSet {
  /** The column of the parquet file. */
  readonly column: string;
  /** What a row is called. */
  readonly rows: string;
  /** What the rows of a split are joined by. */
  readonly joint: (split: Split) => string;
  /** A line of the raw file, with its newline, as a row. */
  readonly read: (line: string) => string;
  /** A row as a line, by which the split is told from others, from wherever it came. */
  readonly write: (row: string) => string;
}

/** How a blank line stands in WikiText's raw file. */
const BLANK_LINE = " \n";

const ROW_SETS: Readonly<Record<Exclude<DatasetName, "c4">, RowSet>> = {
  wikitext2: {
    column: "text",
    rows: "lines",
    joint: (split) => split === "train" ? " " : "\n\n",
    read: (line) => line.trim() === "" ? "" : line,
    write: (row) => row === "" ? BLANK_LINE : row,
  },
  ptb: {
    column: "sentence",
    rows: "sentences",
    joint: () => " ",
    read: strip,
    write: (row) => `${row}\n`,
  },
};

/** Documents of C4 that the published code evaluates on, and windows that it cuts of them at most. */
const C4_DOCUMENTS = 1100, C4_WINDOWS = 256;

/**
 * A split as one text. Its `sha256` is that of its rows, a line each (of WikiText-2 so the raw file's, `wiki.test.raw`), from
 * wherever they came; of C4 that of the whole shard, unzipped.
 * @throws PareError as `fetchDatasetFile`, `readText` and `readDocuments`, or if the file is not what it should be.
 */
export async function joinSplit(set: DatasetName, split: Split, { path, onProgress }: JoinOptions = {}): Promise<Text> {
  const file = path ?? await fetchSplit(set, split, { onProgress });
  if (set === "c4") {
    const { texts, sha256 } = await readDocuments(file, (index) => index < C4_DOCUMENTS);
    return {
      text: [...texts.values()].join(" "),
      sha256,
      protocol: `the first ${C4_DOCUMENTS} documents, joined by " ", ${C4_WINDOWS} windows at most`,
      mostWindows: C4_WINDOWS,
    };
  }
  const { column, rows: called, joint, read, write } = ROW_SETS[set];
  const rows = file.endsWith(".parquet")
    ? await parquetRows(file, column)
    : linesOf((await readText(file)).text).map(read);
  const by = joint(split);
  return {
    text: rows.join(by),
    sha256: sha256(new TextEncoder().encode(rows.map(write).join(""))),
    protocol: `${called} joined by ${JSON.stringify(by)}`,
  };
}

/** Lines with their newlines. */
const linesOf = (text: string): string[] => text.split(/(?<=\n)/);

/** A column of a parquet file. */
async function parquetRows(path: string, column: string): Promise<string[]> {
  const { parquetReadObjects } = await import("npm:hyparquet@1.31.5");
  await using source = await openFile(path);
  const file = {
    byteLength: source.size,
    slice: async (start: number, end = source.size) => (await source.read(start, end - start)).buffer,
  };
  try {
    const rows = await parquetReadObjects({ file, columns: [column] });
    return rows.map((row) => String(row[column]));
  } catch (error) {
    if (error instanceof PareError) throw error;
    throw new PareError(`${path}: expected a parquet file with a column "${column}": ${(error as Error).message}`);
  }
}
