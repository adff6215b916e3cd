/**
 * The data sets of the published code, fetched from the Hub once: where they lie there, and how a corpus is called once it
 * lies here. Whoever has no network, such as a run in its sandbox, is given the second name.
 */
import { fetchDatasetFile, type HubOptions } from "../checkpoint/hub.ts";
import { parseCorpus, SAMPLE } from "./corpus.ts";
import { isPiped, keepPiped } from "./piped.ts";

/** A split of WikiText-2. */
export type Split = "test" | "train";

/** How downloads are made and shown. */
export type FetchOptions = Omit<HubOptions, "revision">;

/** The first training shard of C4. */
export function fetchC4(options: FetchOptions = {}): Promise<string> {
  return fetchDatasetFile("allenai/c4", "en/c4-train.00000-of-01024.json.gz", options);
}

/** A split of WikiText-2 raw, in parquet. */
export function fetchWikitext2(split: Split, options: FetchOptions = {}): Promise<string> {
  return fetchDatasetFile("Salesforce/wikitext", `wikitext-2-raw-v1/${split}-00000-of-00001.parquet`, options);
}

/** A corpus that needs no network. */
export interface LocalCorpus {
  /** What it is called now; it means the same as before. */
  readonly name: string;
  /** The file that it is read from. */
  readonly path: string;
  /** The same, if it stays: a corpus that came by a pipe is gone when this process ends, and is to come again. */
  readonly file?: string;
}

/**
 * Fetches a corpus, unless it is here; one that comes by a pipe is kept in a file.
 * @param split The part of WikiText-2 that is meant.
 * @throws PareError if the Hub cannot be reached or does not have it. A local file is not looked at.
 */
export async function fetchCorpus(corpus: string, split: Split, options: FetchOptions = {}): Promise<LocalCorpus> {
  const named = parseCorpus(corpus);
  if (named.kind === "sample") return { name: corpus, path: SAMPLE, file: SAMPLE };
  if (await isPiped(corpus)) return await keepPiped(corpus);
  if (named.path !== undefined) return { name: corpus, path: named.path, file: named.path };
  const path = named.kind === "c4" ? await fetchC4(options) : await fetchWikitext2(split, options);
  return { name: `${named.kind}:${path}`, path, file: path };
}
