/**
 * WikiText-2 raw (Merity et al., 2016) the way the published code reads it: as the usual data set gives it, one row a
 * line, then joined. A row of white space is the empty string, every other keeps its newline. The test split is joined
 * by two newlines, the train split by a space; both odd, both what published perplexities rest on.
 */
import { parquetReadObjects } from "npm:hyparquet@1.31.5";
import { openFile } from "../checkpoint/file.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import type { HubProgress } from "../checkpoint/hub.ts";
import { PareError } from "../errors.ts";
import { readText, type Text } from "./corpus.ts";
import { fetchWikitext2, type Split } from "./fetch.ts";

/** What the rows of each split are joined by. */
const JOINTS: Readonly<Record<Split, string>> = { test: "\n\n", train: " " };

/**
 * A split as one text. Its `sha256` is that of the raw file (`wiki.test.raw`), from wherever it came.
 * @param path A local file, raw or parquet, to be joined as this split; without one the data set is taken from the Hub.
 * @throws PareError as `fetchDatasetFile` and `readText`, or if the file is not what it should be.
 */
export async function wikitext2(
  split: Split,
  { path, onProgress }: { path?: string; onProgress?: HubProgress } = {},
): Promise<Text> {
  const joint = JOINTS[split], file = path ?? await fetchWikitext2(split, { onProgress });
  if (!file.endsWith(".parquet")) {
    const { text, sha256 } = await readText(file);
    return { text: rawRows(text).join(joint), sha256 };
  }
  const rows = await parquetRows(file);
  const raw = rows.map((row) => row === "" ? BLANK_LINE : row).join("");
  return { text: rows.join(joint), sha256: sha256(new TextEncoder().encode(raw)) };
}

/** How a blank line stands in the raw file. */
const BLANK_LINE = " \n";

/** The rows of a raw file, as the usual data set gives them. */
export function rawRows(text: string): string[] {
  return text.split(/(?<=\n)/).map((line) => line.trim() === "" ? "" : line);
}

/** The column `text` of a parquet file. */
async function parquetRows(path: string): Promise<string[]> {
  await using source = await openFile(path);
  const file = {
    byteLength: source.size,
    slice: async (start: number, end = source.size) => (await source.read(start, end - start)).buffer,
  };
  try {
    const rows = await parquetReadObjects({ file, columns: ["text"] });
    return rows.map((row) => String(row.text));
  } catch (error) {
    if (error instanceof PareError) throw error;
    throw new PareError(`${path}: expected a parquet file with a column "text": ${(error as Error).message}`);
  }
}
