/**
 * A checkpoint as it is about to be written packed: its shards are packed files, whose headers and places are known after one look
 * at every matrix. A writer of it is given the parts, matrix after matrix; all else it copies.
 */
import type { PackedShape } from "../../backend/backend.ts";
import { isDtype } from "../assemble.ts";
import type { Checkpoint, StoredTensor, TensorInfo } from "../checkpoint.ts";
import { parseObject } from "../json.ts";
import { transpose } from "../transpose.ts";
import type { CheckpointWriter } from "../writer.ts";
import { denseHeader, packedHeader, PARTS, type Sized } from "./format.ts";
import { packedSize, type PackedValues, packMatrix } from "./pack.ts";

/** What is done with a matrix: how its numbers are stored, or nothing for one that stays as it is. */
export type Choose = (name: string) => PackedValues | undefined;

/** How it is done. */
export interface PackOptions {
  /** Which matrices are packed, and how. */
  readonly choose: Choose;
  /** Those that the files hold as inputs x outputs: they are packed by outputs, as all others are. */
  readonly transposed?: ReadonlySet<string>;
  /** Told of bytes of dense matrices that were looked at, or written, now and in all. */
  readonly onProgress?: (phase: "looking" | "packing", done: number, of: number) => void;
  /** Stops it between two matrices. */
  readonly signal?: AbortSignal;
}

/** A checkpoint to be written packed. */
export interface PackPlan {
  /** What the writer copies: its tensors are those of the packed files. */
  readonly checkpoint: Checkpoint;
  /** The matrices that are packed. */
  readonly packed: ReadonlyMap<string, Sized>;
  /** Gives the writer all parts. */
  write(writer: CheckpointWriter): Promise<void>;
}

/**
 * Looks at a checkpoint's matrices.
 * @param checkpoint It stays its owner's.
 * @throws PareError if one cannot be read, or holds NaN or Inf.
 */
export async function planPacking(
  checkpoint: Checkpoint,
  { choose, transposed = new Set(), onProgress, signal }: PackOptions,
): Promise<PackPlan> {
  const chosen = [...checkpoint.tensors.values()].flatMap((info) => {
    const values = info.shape.length === 2 && info.bytes ? choose(info.name) : undefined;
    return values ? [{ info, values }] : [];
  });
  const all = chosen.reduce((sum, { info }) => sum + info.bytes, 0);
  const each = async (phase: "looking" | "packing", use: (at: typeof chosen[number]) => Promise<void>) => {
    let done = 0;
    for (const one of chosen) {
      signal?.throwIfAborted();
      onProgress?.(phase, done, all);
      await use(one);
      done += one.info.bytes;
    }
    onProgress?.(phase, all, all);
  };
  const matrix = async ({ name, dtype, shape: [rows, cols] }: TensorInfo) => {
    const bytes = (await checkpoint.read([name])).get(name)!;
    return transposed.has(name)
      ? { bytes: transpose(bytes, rows, cols, dtype), rows: cols, cols: rows, dtype }
      : { bytes, rows, cols, dtype };
  };
  const packed = new Map<string, Sized>();
  await each("looking", async ({ info, values }) => {
    const size = packedSize(await matrix(info), values);
    if (size) packed.set(info.name, { ...size, ...transposed.has(info.name) && { transposed: true } });
  });
  return {
    checkpoint: viewPacked(checkpoint, packed),
    packed,
    write: (writer) =>
      each("packing", async ({ info, values }) => {
        if (!packed.has(info.name)) return;
        const data = packMatrix(await matrix(info), values)!;
        for (const part of PARTS) if (data[part]) await writer.write(`${info.name}.${part}`, data[part]);
      }),
  };
}

/** A checkpoint whose shards are packed files. */
function viewPacked(checkpoint: Checkpoint, packed: ReadonlyMap<string, Sized>): Checkpoint {
  const tensors = new Map<string, TensorInfo>(), others = new Map<string, StoredTensor>();
  const headers = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [shard, dense] of checkpoint.headers) {
    const held = [...checkpoint.tensors.values(), ...checkpoint.others.values()].filter((info) => info.shard === shard);
    const own = new Map([...packed].filter(([name]) => checkpoint.tensors.get(name)!.shard === shard));
    const plain = held.filter(({ name }) => !own.has(name));
    const { header, entries } = packedHeader(own, plain, withDtypes(dense, own));
    headers.set(shard, header);
    for (const { dtype, ...entry } of entries) {
      if (isDtype(dtype)) tensors.set(entry.name, { ...entry, dtype, shard });
      else others.set(entry.name, { ...entry, dtype, shard });
    }
  }
  return { ...checkpoint, tensors, others, headers, packed: undefined };
}

/** The header of a dense file in which matrices of integers are F32, which is what they are expanded to; else as it is. */
function withDtypes(
  header: Uint8Array<ArrayBuffer>,
  packed: ReadonlyMap<string, PackedShape>,
): Uint8Array<ArrayBuffer> {
  if (![...packed.values()].some(({ group }) => group !== undefined)) return header;
  const json = parseObject(header.subarray(8), "header") as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const inOrder = Object.entries(json).filter(([name]) => name !== "__metadata__")
    .sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]);
  let end = 0;
  for (const [name, entry] of inOrder) {
    const shape = packed.get(name), [first, last] = entry.data_offsets;
    if (shape?.group !== undefined) entry.dtype = "F32";
    const bytes = shape?.group === undefined ? last - first : shape.rows * shape.cols * 4;
    entry.data_offsets = [end, end += bytes];
  }
  const text = JSON.stringify(json);
  return denseHeader(text.padEnd(Math.ceil(text.length / 8) * 8), "");
}
