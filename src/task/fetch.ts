/** The data of tasks from the Hub, which has every data set as parquet on a branch of one form. */
import { fetchDatasetFile } from "../checkpoint/hub.ts";
import type { FetchOptions } from "../text/fetch.ts";
import type { HubSet } from "./task.ts";

/** The Hub converts data sets to parquet on this branch: `CONFIG/SPLIT/0000.parquet`. */
const BRANCH = "refs/convert/parquet";

/**
 * Fetches a split, unless it is here already. None that a task takes has more than one file.
 * @returns The file's path on this disk.
 * @throws PareError if the Hub cannot be reached or does not have it.
 */
export function fetchSet({ id, config, split }: HubSet, options: FetchOptions = {}): Promise<string> {
  return fetchDatasetFile(id, `${config}/${split}/0000.parquet`, { ...options, revision: BRANCH });
}
