/**
 * A Hugging Face directory as a {@linkcode Checkpoint}: config.json, and the weights in model.safetensors or in the
 * shards that model.safetensors.index.json lists. It is read where it lies; only the headers are held.
 */
import { join } from "node:path";
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { assemble, type Shard } from "./assemble.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openFile } from "./file.ts";
import { parseObject } from "./json.ts";
import { LONGEST_POINTER, refusePointer, refuseQuantised, withoutWeights } from "./kinds.ts";
import { listDirectory, refuseForeign } from "./listing.ts";
import { quote } from "./quote.ts";
import { readSafetensors } from "./safetensors.ts";
import { INDEX, isReadOrCopied, isSideFile, LARGEST_SIDE_FILE, SINGLE } from "./side_files.ts";
import type { Source } from "./source.ts";

const IndexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens a model directory.
 * @throws PareError if it is no directory, holds no model, or holds one whose files contradict each other.
 */
export async function openDirectory(path: string): Promise<Checkpoint> {
  const { files, omitted } = await list(path);
  const beside = new Set(files);
  if (!beside.has("config.json")) throw new PareError(`${path} is not a model directory: it has no config.json`);
  const config = await readObject(join(path, "config.json"));

  await using opened = new AsyncDisposableStack();
  const shards = new Map<string, Shard>();
  const index = omitted.includes(SINGLE) ? undefined : await readIndex(path, beside, omitted);
  for (const name of index ? [...new Set(index.values())].sort() : [SINGLE]) {
    const source = opened.use(await openShard(path, name, omitted));
    shards.set(name, { source, ...await readSafetensors(source) });
  }
  refuseQuantised(path, config, [...shards.values()].flatMap(({ entries }) => [...entries.values()]));
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
  const listing = await listDirectory(path), files: string[] = [], omitted: string[] = [];
  refuseForeign(listing, isReadOrCopied);
  for (const [name, { bytes }] of listing.files) {
    (isSideFile(name) && bytes <= LARGEST_SIDE_FILE ? files : omitted).push(name);
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
    const why = withoutWeights(path, [...beside, ...omitted], await adapterBase(path, beside));
    if (why) throw new PareError(why);
    const other = omitted.length > 0 ? ` (of ${omitted.slice(0, 3).map(quote).join(", ")} it can read none)` : "";
    throw new PareError(`${path} holds no weights: neither ${SINGLE} nor ${INDEX} is there${other}`);
  }
  const file = join(path, INDEX);
  const parsed = IndexSchema.safeParse(await readObject(file));
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
async function openShard(path: string, shard: string, there: readonly string[]): Promise<Source> {
  if (!there.includes(shard)) {
    throw new PareError(`${path}: shard ${quote(shard)} is missing, though ${INDEX} names it`);
  }
  await using opened = new AsyncDisposableStack();
  const source = opened.use(await openFile(join(path, shard)));
  if (source.size < LONGEST_POINTER) refusePointer(await source.read(0, source.size), source.name);
  opened.move(); // the checkpoint closes it
  return source;
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

/** A JSON object out of a file that a model cannot be without. */
async function readObject(path: string): Promise<Record<string, unknown>> {
  const bytes = await readWhole(path);
  refusePointer(bytes, path);
  return parseObject(bytes, path);
}

/** The model that an adapter says it is for, if this is one and it says so. */
export async function adapterBase(path: string, files: ReadonlySet<string>): Promise<string | undefined> {
  if (!files.has("adapter_config.json")) return undefined;
  const { base_model_name_or_path: base } = await readObject(join(path, "adapter_config.json"));
  return typeof base === "string" ? base : undefined;
}
