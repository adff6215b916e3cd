/**
 * Many runs' records (`record_file.ts`) become one registry. A record is known by its file's name, which no other has, so
 * that it may be collected any number of times, by several processes at once, and while its run is on its way: each time
 * what is new in it is added.
 */
import { join } from "node:path";
import { PareError } from "../errors.ts";
import { readRecordFile, recordNames } from "./record_file.ts";
import type { Registry } from "./registry.ts";

/** What became of the records of a folder. */
export interface Collected {
  /** All that were found. */
  readonly records: number;
  /** Runs that the registry did not know. */
  readonly added: number;
  /** Runs of which it knew less. */
  readonly grown: number;
  /** What is wrong with those that could not be read, a line each. */
  readonly problems: readonly string[];
}

/** Takes in the records of a folder, in the order in which their runs began. */
export function collect(registry: Registry, folder: string): Collected {
  const problems: string[] = [];
  const records = recordNames(folder).flatMap((name) => {
    try {
      const entries = readRecordFile(join(folder, name));
      return entries.length ? [{ name, entries }] : [];
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  records.sort((a, b) => a.entries[0].at - b.entries[0].at);
  const found = records.map(({ name, entries }) => registry.collect(name, entries));
  const count = (what: typeof found[number]) => found.filter((each) => each === what).length;
  return { records: records.length, added: count("added"), grown: count("grown"), problems };
}
