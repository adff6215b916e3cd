/**
 * The data sets of the published code, fetched from the Hub once: where they lie there, and how a corpus is called once it
 * lies here. Whoever has no network, such as a run in its sandbox, is given the second name.
 */
import { fetchDatasetFile, type HubOptions } from "../checkpoint/hub.ts";
import { onlyForPrune, parseCorpus, SAMPLE, splitOf } from "./corpus.ts";
import { type DatasetName, DATASETS, type Split } from "./datasets.ts";
import { isPiped, keepPiped } from "./piped.ts";

/** How downloads are made and shown. */
export type FetchOptions = Omit<HubOptions, "revision">;

/** Fetches a split of a published data set. @throws PareError as `fetchDatasetFile`, or if the set has no such split. */
export async function fetchSplit(kind: DatasetName, split: Split, options: FetchOptions = {}): Promise<string> {
  const { id, revision, files } = DATASETS[kind], file = files[splitOf({ kind, split }, split)]!;
  return await fetchDatasetFile(id, file, { ...options, ...revision !== undefined && { revision } });
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
 * @param split The part of a data set that is meant where its name says none.
 * @throws PareError if the set has no such part, if the Hub cannot be reached or does not have it. A local file is not looked at.
 */
export async function fetchCorpus(corpus: string, split: Split, options: FetchOptions = {}): Promise<LocalCorpus> {
  const named = parseCorpus(corpus);
  if (named.kind === "sample") return { name: corpus, path: SAMPLE, file: SAMPLE };
  if (named.kind === "self") throw onlyForPrune();
  if (await isPiped(corpus)) return await keepPiped(corpus);
  const isFile = named.kind === "text" || named.kind === "jsonl" || named.kind === "tokens";
  if (isFile || named.path !== undefined) return { name: corpus, path: named.path!, file: named.path };
  const path = await fetchSplit(named.kind, splitOf(named, split), options);
  return { name: `${corpus}:${path}`, path, file: path };
}
