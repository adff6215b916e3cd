/**
 * A {@linkcode Checkpoint} out of its shards: which tensor stands where, reading some of them in few ranges, and the
 * check that a model is given numbers. It does not know whether a shard is a file or is made as it is read (`gguf/`).
 */
import { BYTES, type Dtype } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import type { Checkpoint, HeldPacked, StoredTensor, TensorInfo } from "./checkpoint.ts";
import { allFinite } from "./finite.ts";
import { decodeText } from "./json.ts";
import { refusePointer } from "./kinds.ts";
import { quote } from "./quote.ts";
import { coalesce, locateRows, pieces } from "./ranges.ts";
import type { Safetensors } from "./safetensors.ts";
import type { Source } from "./source.ts";

/** A safetensors file that can be read, and what its header says. */
export interface Shard extends Pick<Safetensors, "entries" | "header"> {
  /** The whole file, its header too. */
  readonly source: Source;
  /** Matrices that the file holds packed, by their names. */
  readonly packed?: ReadonlyMap<string, HeldPacked>;
}

/** What a checkpoint is beside its tensors. */
export type Beside = Pick<
  Checkpoint,
  "path" | "sources" | "fingerprints" | "config" | "files" | "omitted" | "readFile"
>;

/**
 * The checkpoint of these shards, by their file names; it closes their sources when it is disposed of.
 * @throws PareError if a tensor stands in two shards, or none is of a dtype that can be computed with.
 */
export function assemble(shards: ReadonlyMap<string, Shard>, beside: Beside): Checkpoint {
  const { path } = beside;
  const tensors = new Map<string, TensorInfo>(), others = new Map<string, StoredTensor>();
  for (const [shard, { source, entries }] of shards) {
    for (const { name, dtype, ...where } of entries.values()) {
      const twin = tensors.get(name) ?? others.get(name);
      if (twin) throw new PareError(`${source.name}: tensor ${quote(name)} is in ${quote(twin.shard)} as well`);
      if (isDtype(dtype)) tensors.set(name, { name, dtype, ...where, shard });
      else others.set(name, { name, dtype, ...where, shard });
    }
  }

  const wrongDtype = (where: string, { name, dtype }: StoredTensor): PareError =>
    new PareError(`${where}: tensor ${quote(name)} is ${dtype}; Pare reads ${Object.keys(BYTES).join(", ")}`);
  const [first] = others.values();
  if (!tensors.size && first) throw wrongDtype(shards.get(first.shard)!.source.name, first);

  const find = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (found) return found;
    const other = others.get(name);
    if (other) throw wrongDtype(path, other);
    throw new PareError(`${path} has no tensor ${quote(name)}`);
  };
  const read = (shard: string, offset: number, bytes: number) => shards.get(shard)!.source.read(offset, bytes);
  const finite = (bytes: Uint8Array<ArrayBuffer>, { name, dtype, shard }: TensorInfo): Uint8Array<ArrayBuffer> => {
    if (allFinite(bytes, dtype)) return bytes;
    throw new PareError(`${shards.get(shard)!.source.name}: tensor ${quote(name)} holds NaN or Inf`);
  };

  return {
    ...beside,
    tensors,
    others,
    packed: new Map([...shards.values()].flatMap(({ packed }) => [...packed ?? []])),
    headers: new Map([...shards].map(([name, { header }]) => [name, header])),
    async read(names) {
      const found = new Map<string, Uint8Array<ArrayBuffer>>();
      await Promise.all(
        coalesce(names.map(find)).map(async ({ shard, offset, bytes, parts }) => {
          const range = await read(shard, offset, bytes);
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
      await shards.get(info.shard)!.source.keep?.(info.offset, info.bytes);
      return finite(await read(info.shard, info.offset + offset, bytes), info);
    },
    async *stream(name) {
      const info = others.get(name) ?? find(name);
      for (const [offset, bytes] of pieces(info.bytes)) yield await read(info.shard, info.offset + offset, bytes);
    },
    async readText(file) {
      const bytes = await beside.readFile(file);
      if (bytes) refusePointer(bytes, `${path}/${file}`);
      return bytes && decodeText(bytes, `${file} of ${path}`);
    },
    async [Symbol.asyncDispose]() {
      for (const { source } of shards.values()) await source[Symbol.asyncDispose]();
    },
  };
}

/** Whether numbers of this dtype can be computed with. */
export function isDtype(dtype: string): dtype is Dtype {
  return Object.hasOwn(BYTES, dtype);
}
