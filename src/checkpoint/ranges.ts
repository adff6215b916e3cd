/**
 * Which bytes to read: rows of a matrix, pieces of something long, and the few ranges that hold many tensors. Numbers
 * only; nothing is read here.
 */
import type { TensorInfo } from "./checkpoint.ts";

/**
 * Two tensors nearer than this are read in one range, and what lies between them is dropped: at the 2 to 6 GB/s of
 * a page cache it costs less than the call, and at 100 MB/s over a network less than a request.
 */
const NEAR = 256 << 10;

/** Bytes of one piece of something that is copied: large enough for full speed (4 MiB reads reach it), small to hold. */
export const PIECE = 8 << 20;

/** A run of bytes of one shard, and the tensors in it. */
export interface Range {
  /** The shard's file name. */
  readonly shard: string;
  /** First byte, counted from the start of the shard. */
  readonly offset: number;
  /** How many there are. */
  bytes: number;
  /** The tensors, by their offset. */
  readonly parts: TensorInfo[];
}

/** The fewest ranges that hold these tensors, read no byte twice, and no long stretch for nothing. */
export function coalesce(tensors: readonly TensorInfo[]): Range[] {
  const ranges: Range[] = [];
  const order = (a: TensorInfo, b: TensorInfo) => a.shard < b.shard ? -1 : a.shard > b.shard ? 1 : a.offset - b.offset;
  for (const info of [...tensors].sort(order)) {
    const last = ranges.at(-1);
    if (last && last.shard === info.shard && info.offset - (last.offset + last.bytes) < NEAR) {
      last.bytes = Math.max(last.bytes, info.offset + info.bytes - last.offset);
      last.parts.push(info);
    } else ranges.push({ shard: info.shard, offset: info.offset, bytes: info.bytes, parts: [info] });
  }
  return ranges;
}

/** `[offset, length]` of each piece of `bytes` bytes. */
export function* pieces(bytes: number): Generator<[offset: number, length: number]> {
  for (let offset = 0; offset < bytes; offset += PIECE) yield [offset, Math.min(PIECE, bytes - offset)];
}

/**
 * Where rows of a matrix stand among its bytes. A vector is one row; of more than two dimensions the first is the rows.
 * @throws RangeError if it has no such rows.
 */
export function locateRows(
  { name, shape, bytes }: TensorInfo,
  firstRow: number,
  rows: number,
): { offset: number; bytes: number } {
  const all = shape.length < 2 ? 1 : shape[0];
  if (firstRow < 0 || rows < 0 || firstRow + rows > all) {
    throw new RangeError(`${name} has ${all} rows; rows ${firstRow} to ${firstRow + rows} were asked for`);
  }
  const perRow = all === 0 ? 0 : bytes / all;
  return { offset: firstRow * perRow, bytes: rows * perRow };
}
