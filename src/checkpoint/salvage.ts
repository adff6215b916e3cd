/**
 * What can still be read of a model directory that `directory.ts` refuses: each file is looked at on its own, and what
 * is wrong with one is noted and does not keep the others from being read. For looking at damage, never for computing.
 */
import { join } from "node:path";
import { PareError } from "../errors.ts";
import { isDtype } from "./assemble.ts";
import type { Checkpoint, StoredTensor, TensorInfo } from "./checkpoint.ts";
import { openFile } from "./file.ts";
import { allFinite } from "./finite.ts";
import { parseObject } from "./json.ts";
import { listDirectory, refuseForeign } from "./listing.ts";
import { quote } from "./quote.ts";
import { LONGEST_HEADER, readSafetensors } from "./safetensors.ts";
import { isReadOrCopied } from "./side_files.ts";
import type { Source } from "./source.ts";

/** The readable part of a checkpoint, and what keeps the rest from being read. */
export interface Remains extends AsyncDisposable, Pick<Checkpoint, "path" | "tensors" | "others"> {
  /** `config.json`, if it is an object at all. */
  readonly config?: Checkpoint["config"];
  /** What is wrong, file by file. */
  readonly problems: readonly string[];
  /**
   * The bytes of a tensor.
   * @throws PareError if the file ends before they do, or if one is NaN or Inf.
   */
  readTensor(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Looks at every file of a model directory.
 * @throws PareError if it is no directory that can be listed.
 */
export async function salvage(path: string): Promise<Remains> {
  const listing = await listDirectory(path), names = [...listing.files.keys()];
  await using opened = new AsyncDisposableStack();
  const sources = new Map<string, Source>();
  const tensors = new Map<string, TensorInfo>(), others = new Map<string, StoredTensor>();
  const problems: string[] = [];
  const attempt = async <T>(step: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof PareError)) throw error;
      problems.push(error.message);
    }
  };

  await attempt(() => Promise.resolve(refuseForeign(listing, isReadOrCopied)));
  const config = names.includes("config.json")
    ? await attempt(async () => {
      await using source = await openFile(join(path, "config.json"));
      return parseObject(await source.read(0, source.size), source.name);
    })
    : undefined;
  for (const shard of names.filter((name) => name.endsWith(".safetensors")).sort()) {
    await attempt(async () => {
      const source = opened.use(await openFile(join(path, shard)));
      const { entries } = await readSafetensors(await asLongAsClaimed(source));
      sources.set(shard, source);
      for (const { dtype, ...entry } of entries.values()) {
        if (isDtype(dtype)) tensors.set(entry.name, { ...entry, dtype, shard });
        else others.set(entry.name, { ...entry, dtype, shard });
      }
    });
  }
  const kept = opened.move();
  return {
    path,
    config,
    tensors,
    others,
    problems,
    async readTensor(name) {
      const { shard, offset, bytes, dtype } = tensors.get(name)!;
      const source = sources.get(shard)!;
      const wrong = (what: string) => new PareError(`${source.name}: tensor ${quote(name)} ${what}`);
      if (offset + bytes > source.size) throw wrong(`ends at byte ${offset + bytes}, the file at ${source.size}`);
      const found = await source.read(offset, bytes);
      if (!allFinite(found, dtype)) throw wrong("holds NaN or Inf");
      return found;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/**
 * A file that was cut short, as long as its header says that it was: then the header passes, and only the reading of
 * a tensor beyond the cut fails. A header that makes no sense gives the file as it is.
 */
async function asLongAsClaimed(source: Source): Promise<Source> {
  if (source.size < 8) return source;
  const length = Number(new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true));
  if (length > Math.min(LONGEST_HEADER, source.size - 8)) return source;
  const header = parseObject(await source.read(8, length), `the header of ${source.name}`);
  const ends = Object.values(header).map((entry) => (entry as { data_offsets?: unknown[] } | null)?.data_offsets?.[1]);
  const claimed = 8 + length + Math.max(0, ...ends.filter((end) => typeof end === "number"));
  return { ...source, size: Math.max(source.size, claimed) };
}
