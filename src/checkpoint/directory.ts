/**
 * A Hugging Face directory as a {@linkcode Checkpoint}: config.json, and the weights in model.safetensors or in the
 * shards that model.safetensors.index.json lists. It is read where it lies; only the headers are held.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { assemble, type Shard } from "./assemble.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openFile } from "./file.ts";
import { parseObject } from "./json.ts";
import { quote } from "./quote.ts";
import { readSafetensors } from "./safetensors.ts";
import { isSideFile, LARGEST_SIDE_FILE } from "./side_files.ts";
import type { Source } from "./source.ts";
import { systemError } from "./system_error.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

const IndexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens a model directory.
 * @throws PareError if it is no directory, holds no model, or holds one whose files contradict each other.
 */
export async function openDirectory(path: string): Promise<Checkpoint> {
  const { files, omitted } = await list(path);
  const beside = new Set(files);
  if (!beside.has("config.json")) throw new PareError(`${path} is not a model directory: it has no config.json`);
  const config = parseObject(await readWhole(join(path, "config.json")), join(path, "config.json"));

  await using opened = new AsyncDisposableStack();
  const shards = new Map<string, Shard>();
  const index = omitted.includes(SINGLE) ? undefined : await readIndex(path, beside, omitted);
  for (const name of index ? [...new Set(index.values())].sort() : [SINGLE]) {
    const source = opened.use(await openShard(path, name));
    shards.set(name, { source, ...await readSafetensors(source) });
  }
  if (index) compare(index, shards, path);
  const checkpoint = assemble(shards, {
    path,
    config,
    sources: [...shards.keys(), ...files].map((file) => join(path, file)),
    files,
    omitted: omitted.filter((file) => !shards.has(file)),
    readFile: async (file) => beside.has(file) ? await readWhole(join(path, file)) : undefined,
  });
  opened.move(); // the checkpoint closes them
  return checkpoint;
}

/** What lies in the directory: files that belong to a copy of the model, and other files. */
async function list(path: string): Promise<{ files: string[]; omitted: string[] }> {
  const files: string[] = [];
  const omitted: string[] = [];
  try {
    for (const name of (await readdir(path)).sort()) {
      // Links are followed (the Hub's cache is made of them); one that leads nowhere is no file.
      const found = await stat(join(path, name)).catch(() => undefined);
      if (found?.isFile()) (isSideFile(name) && found.size <= LARGEST_SIDE_FILE ? files : omitted).push(name);
    }
  } catch (error) {
    throw systemError("read", path, error);
  }
  return { files, omitted };
}

/** The index's map from tensor to shard; an error if there are no weights that Pare reads. */
async function readIndex(
  path: string,
  beside: ReadonlySet<string>,
  omitted: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (!beside.has(INDEX)) {
    const other = omitted.length > 0 ? ` (of ${omitted.slice(0, 3).map(quote).join(", ")} it can read none)` : "";
    throw new PareError(`${path} holds no weights: neither ${SINGLE} nor ${INDEX} is there${other}`);
  }
  const file = join(path, INDEX);
  const parsed = IndexSchema.safeParse(parseObject(await readWhole(file), file));
  if (!parsed.success) throw new PareError(`${file}: weight_map must map tensor names to file names`);
  const map = new Map(Object.entries(parsed.data.weight_map));
  for (const [name, shard] of map) {
    // A path would lead out of the directory, and the writer after it.
    if (!/^[^/\\\0]+\.safetensors$/.test(shard)) {
      throw new PareError(`${file}: tensor ${quote(name)} is said to be in ${quote(shard)}, which is no shard's name`);
    }
  }
  if (map.size === 0) throw new PareError(`${file} names no tensor`);
  return map;
}

/** Opens a shard that the index (or the format) says is there. */
async function openShard(path: string, shard: string): Promise<Source> {
  if (!await stat(join(path, shard)).catch(() => undefined)) {
    throw new PareError(`${path}: shard ${quote(shard)} is missing, though ${INDEX} names it`);
  }
  return await openFile(join(path, shard));
}

/** Index and shards must name the same tensors, in the same places. */
function compare(index: ReadonlyMap<string, string>, shards: ReadonlyMap<string, Shard>, path: string): void {
  const file = join(path, INDEX);
  for (const [name, shard] of index) {
    if (shards.get(shard)!.entries.has(name)) continue;
    const other = [...shards].find(([, { entries }]) => entries.has(name))?.[0];
    const where = other === undefined ? "no shard has it" : `it is in ${quote(other)}`;
    throw new PareError(`${file}: tensor ${quote(name)} is said to be in ${quote(shard)}, but ${where}`);
  }
  for (const [shard, { entries }] of shards) {
    for (const name of entries.keys()) {
      if (!index.has(name)) throw new PareError(`${file} does not name tensor ${quote(name)} of ${quote(shard)}`);
    }
  }
}

/** A small file, whole. */
async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  await using source = await openFile(path);
  return await source.read(0, source.size);
}
