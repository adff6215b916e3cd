/**
 * A Hugging Face directory as a {@linkcode Checkpoint}: config.json, and the weights in model.safetensors or in the
 * shards that model.safetensors.index.json lists. It is read where it lies; only the headers are held.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BYTES, type Dtype } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { Checkpoint, TensorInfo } from "./checkpoint.ts";
import { openFile } from "./file.ts";
import { allFinite } from "./finite.ts";
import { decodeText, parseObject } from "./json.ts";
import { quote } from "./quote.ts";
import { readSafetensors } from "./safetensors.ts";
import { coalesce, locateRows, pieces } from "./ranges.ts";
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
  const sources = new Map<string, Source>();
  const headers = new Map<string, Uint8Array<ArrayBuffer>>();
  const tensors = new Map<string, TensorInfo>();
  const index = omitted.includes(SINGLE) ? undefined : await readIndex(path, beside, omitted);
  for (const shard of index ? [...new Set(index.values())].sort() : [SINGLE]) {
    const source = opened.use(await openShard(path, shard));
    const { header, entries } = await readSafetensors(source);
    sources.set(shard, source);
    headers.set(shard, header);
    for (const entry of entries.values()) addTensor(tensors, entry, shard, join(path, shard));
  }
  if (index) compare(index, tensors, path);
  const close = opened.move();

  const find = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (!found) throw new PareError(`${path} has no tensor ${quote(name)}`);
    return found;
  };
  const finite = (bytes: Uint8Array<ArrayBuffer>, { name, dtype, shard }: TensorInfo): Uint8Array<ArrayBuffer> => {
    if (allFinite(bytes, dtype)) return bytes;
    throw new PareError(`${join(path, shard)}: tensor ${quote(name)} holds NaN or Inf`);
  };

  return {
    path,
    sources: [...headers.keys(), ...files].map((file) => join(path, file)),
    config,
    tensors,
    headers,
    files,
    omitted: omitted.filter((file) => !headers.has(file)),
    async read(names) {
      const found = new Map<string, Uint8Array<ArrayBuffer>>();
      await Promise.all(
        coalesce(names.map(find)).map(async ({ shard, offset, bytes, parts }) => {
          const range = await sources.get(shard)!.read(offset, bytes);
          for (const info of parts) {
            const begin = info.offset - offset;
            found.set(info.name, finite(range.subarray(begin, begin + info.bytes), info));
          }
        }),
      );
      return found;
    },
    async readRows(name, firstRow, rows) {
      const info = find(name);
      const { offset, bytes } = locateRows(info, firstRow, rows);
      return finite(await sources.get(info.shard)!.read(info.offset + offset, bytes), info);
    },
    async *stream(name) {
      const info = find(name);
      for (const [offset, bytes] of pieces(info.bytes)) {
        yield await sources.get(info.shard)!.read(info.offset + offset, bytes);
      }
    },
    async readFile(file) {
      return beside.has(file) ? await readWhole(join(path, file)) : undefined;
    },
    async readText(file) {
      return beside.has(file) ? decodeText(await readWhole(join(path, file)), join(path, file)) : undefined;
    },
    async [Symbol.asyncDispose]() {
      await close.disposeAsync();
    },
  };
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

/** Adds a tensor of a shard, if a model can hold it. */
function addTensor(
  tensors: Map<string, TensorInfo>,
  entry: { name: string; dtype: string; shape: readonly number[]; offset: number; bytes: number },
  shard: string,
  file: string,
): void {
  const { name, dtype } = entry;
  if (!isDtype(dtype)) {
    throw new PareError(`${file}: tensor ${quote(name)} is ${dtype}; Pare reads ${Object.keys(BYTES).join(", ")}`);
  }
  const other = tensors.get(name);
  if (other) throw new PareError(`${file}: tensor ${quote(name)} is in ${quote(other.shard)} as well`);
  tensors.set(name, { ...entry, dtype, shard });
}

function isDtype(dtype: string): dtype is Dtype {
  return Object.hasOwn(BYTES, dtype);
}

/** Index and shards must name the same tensors, in the same places. */
function compare(
  index: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, TensorInfo>,
  path: string,
): void {
  const file = join(path, INDEX);
  for (const [name, shard] of index) {
    const found = tensors.get(name)?.shard;
    if (found !== shard) {
      const where = found === undefined ? "no shard has it" : `it is in ${quote(found)}`;
      throw new PareError(`${file}: tensor ${quote(name)} is said to be in ${quote(shard)}, but ${where}`);
    }
  }
  for (const [name, { shard }] of tensors) {
    if (!index.has(name)) throw new PareError(`${file} does not name tensor ${quote(name)} of ${quote(shard)}`);
  }
}

/** A small file, whole. */
async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  await using source = await openFile(path);
  return await source.read(0, source.size);
}
