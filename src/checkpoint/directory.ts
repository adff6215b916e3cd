/**
 * A Hugging Face directory as a {@linkcode Checkpoint}: config.json, and the weights in model.safetensors or in the
 * shards that model.safetensors.index.json lists. It is read where it lies; only the headers are held.
 */
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { assemble, type Shard } from "./assemble.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Folder, localFolder } from "./folder.ts";
import { parseObject } from "./json.ts";
import { LONGEST_POINTER, refusePointer, refuseQuantised, withoutWeights } from "./kinds.ts";
import { openCompressed, sparseFormat, withoutCompression } from "./packed/compressed_tensors.ts";
import { isPacked, openPacked } from "./packed/open.ts";
import { quote } from "./quote.ts";
import { readSafetensors } from "./safetensors.ts";
import { INDEX, isSideFile, LARGEST_SIDE_FILE, SINGLE } from "./side_files.ts";
import type { Source } from "./source.ts";

const IndexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens a model directory.
 * @throws PareError if it is no directory, holds no model, or holds one whose files contradict each other.
 */
export function openDirectory(path: string): Promise<Checkpoint> {
  return openFolder(localFolder(path));
}

/** The same, of a folder wherever it is. */
export async function openFolder(folder: Folder): Promise<Checkpoint> {
  const { path } = folder, { files, omitted } = await list(folder);
  const beside = new Set(files);
  if (!beside.has("config.json")) throw new PareError(`${path} is not a model directory: it has no config.json`);
  const stored = await readObject(folder, "config.json"), format = sparseFormat(stored);
  // What is read dense is written dense: a copy's config says nothing of how it was compressed.
  const config = format ? withoutCompression(stored) : stored;

  await using opened = new AsyncDisposableStack();
  const shards = new Map<string, Shard>(), inFiles = new Map<string, Pick<Shard, "entries">>();
  const index = omitted.includes(SINGLE) ? undefined : await readIndex(folder, beside, omitted);
  for (const name of index ? [...new Set(index.values())].sort() : [SINGLE]) {
    const source = opened.use(await openShard(folder, name, omitted));
    const file = await readSafetensors(source);
    const { entries } = file;
    const shard = isPacked(file)
      ? await openPacked(source, file)
      : format
      ? await openCompressed(source, file, format)
      : { source, ...file };
    shards.set(name, shard);
    inFiles.set(name, { entries: format ? entries : shard.entries });
  }
  refuseQuantised(path, config, [...shards.values()].flatMap(({ entries }) => [...entries.values()]));
  if (index) compare(index, inFiles, folder.locate(INDEX));
  const checkpoint = assemble(shards, {
    path,
    config,
    sources: [...shards.keys(), ...files].map((file) => folder.locate(file)),
    files,
    omitted: omitted.filter((file) => !shards.has(file)),
    readFile: async (file) => {
      if (!beside.has(file)) return undefined;
      if (format && file === "config.json") return encode(config);
      if (format && file === INDEX) return encode(indexOf(shards));
      return await readWhole(folder, file);
    },
  });
  opened.move(); // the checkpoint closes them
  return checkpoint;
}

/** An object as the bytes of a file. */
function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}

/** The index of these shards. */
function indexOf(shards: ReadonlyMap<string, Shard>) {
  const named = [...shards].flatMap(([shard, { entries }]) =>
    [...entries.values()].map((entry) => ({ shard, ...entry }))
  );
  return {
    metadata: { total_size: named.reduce((sum, { bytes }) => sum + bytes, 0) },
    weight_map: Object.fromEntries(named.map(({ name, shard }) => [name, shard])),
  };
}

/** What lies in the folder: files that belong to a copy of the model, and other files. */
async function list(folder: Folder): Promise<{ files: string[]; omitted: string[] }> {
  const files: string[] = [], omitted: string[] = [];
  for (const [name, bytes] of await folder.list()) {
    (isSideFile(name) && bytes <= LARGEST_SIDE_FILE ? files : omitted).push(name);
  }
  return { files, omitted };
}

/** The index's map from tensor to shard; an error if there are no weights that Pare reads. */
async function readIndex(
  folder: Folder,
  beside: ReadonlySet<string>,
  omitted: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { path } = folder;
  if (!beside.has(INDEX)) {
    const why = withoutWeights(path, [...beside, ...omitted], await adapterBase(folder, beside));
    if (why) throw new PareError(why);
    const other = omitted.length > 0 ? ` (of ${omitted.slice(0, 3).map(quote).join(", ")} it can read none)` : "";
    throw new PareError(`${path} holds no weights: neither ${SINGLE} nor ${INDEX} is there${other}`);
  }
  const file = folder.locate(INDEX);
  const parsed = IndexSchema.safeParse(await readObject(folder, INDEX));
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
async function openShard(folder: Folder, shard: string, there: readonly string[]): Promise<Source> {
  if (!there.includes(shard)) {
    throw new PareError(`${folder.path}: shard ${quote(shard)} is missing, though ${INDEX} names it`);
  }
  await using opened = new AsyncDisposableStack();
  const source = opened.use(await folder.open(shard));
  if (source.size < LONGEST_POINTER) refusePointer(await source.read(0, source.size), source.name);
  opened.move(); // the checkpoint closes it
  return source;
}

/** Index and shards must name the same tensors, in the same places. */
function compare(
  index: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, Pick<Shard, "entries">>,
  file: string,
): void {
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
async function readWhole(folder: Folder, name: string): Promise<Uint8Array<ArrayBuffer>> {
  await using source = await folder.open(name);
  return await source.read(0, source.size);
}

/** A JSON object out of a file that a model cannot be without. */
async function readObject(folder: Folder, name: string): Promise<Record<string, unknown>> {
  const bytes = await readWhole(folder, name), file = folder.locate(name);
  refusePointer(bytes, file);
  return parseObject(bytes, file);
}

/** The model that an adapter says it is for, if this is one and it says so. */
export async function adapterBase(folder: Folder, files: ReadonlySet<string>): Promise<string | undefined> {
  if (!files.has("adapter_config.json")) return undefined;
  const { base_model_name_or_path: base } = await readObject(folder, "adapter_config.json");
  return typeof base === "string" ? base : undefined;
}
