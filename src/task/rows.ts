/**
 * The rows of a data set: parquet, JSONL or a JSON array, as plain values. What a row must hold is the task's. A set may be large
 * and is gone through more than once, so rows are read a portion at a time.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import type { AsyncBuffer, Compressors } from "npm:hyparquet@1.31.5";
import { openFile } from "../checkpoint/file.ts";
import { decodeText, parseObject } from "../checkpoint/json.ts";
import { release } from "../checkpoint/release.ts";
import type { Source } from "../checkpoint/source.ts";
import { PareError } from "../errors.ts";

/** A file's rows. */
export interface Rows {
  /** The file. */
  readonly path: string;
  /** The file's size. */
  readonly bytes: number;
  /** Of the file's bytes. */
  readonly sha256: string;
  /** How many there are. */
  readonly count: number;
  /**
   * Reads rows in their order, from one up to another, or to the last.
   * @throws PareError if one is damaged, or the file has changed since it was opened.
   */
  read(from?: number, end?: number): AsyncGenerator<unknown>;
}

/** Rows of a parquet file's row group that are there at once, and bytes of JSONL. */
const PORTION_ROWS = 1000, PORTION_BYTES = 1 << 18;

/** Neighbouring rows that are read together. */
interface Portion {
  readonly rows: number;
  load(file: Source): Promise<readonly unknown[]>;
}

/** Rows that are there already, as {@linkcode Rows}. */
export function heldRows(path: string, rows: readonly unknown[], bytes = 0, sha256 = ""): Rows {
  return {
    path,
    bytes,
    sha256,
    count: rows.length,
    async *read(from = 0, end = rows.length) {
      yield* rows.slice(from, end);
    },
  };
}

/**
 * Opens a file's rows.
 * @throws PareError if there is no such file, if it is no parquet file or JSON, or if it has none.
 */
export async function readRows(path: string): Promise<Rows> {
  await using file = await openFile(path);
  const changed = await changedAt(path);
  const { sha256, lines, first } = await scan(file);
  const about = { path, bytes: file.size, sha256 };
  const rows = /\.parquet$/i.test(path)
    ? portioned(about, await parquetPortions(file), changed)
    : first === "["
    ? heldRows(path, parseArray(await file.read(0, file.size), path), file.size, sha256)
    : portioned(about, lines.map((portion) => jsonPortion(portion, path)), changed);
  if (rows.count === 0) throw new PareError(`${path}: no documents`);
  return rows;
}

/** When a file was written last. */
async function changedAt(path: string): Promise<number> {
  return (await stat(path)).mtimeMs;
}

/** Rows in portions; `written` is when the file was written. */
function portioned(about: Omit<Rows, "count" | "read">, portions: readonly Portion[], written: number): Rows {
  // For whoever goes on where another has stopped, as MMLU's subjects do; it holds no memory that is needed.
  let last: { readonly portion: Portion; readonly rows: WeakRef<readonly unknown[]> } | undefined;
  const load = async (portion: Portion) => {
    const known = last?.portion === portion ? last.rows.deref() : undefined;
    if (known) return known;
    await using file = await openFile(about.path);
    if (file.size !== about.bytes || await changedAt(about.path) !== written) {
      throw new PareError(`${about.path} was changed while it was read`);
    }
    const rows = await portion.load(file);
    last = { portion, rows: new WeakRef(rows) };
    return rows;
  };
  return {
    ...about,
    count: portions.reduce((sum, { rows }) => sum + rows, 0),
    async *read(from = 0, end = Infinity) {
      let start = 0;
      for (const portion of portions) {
        if (start >= end) return;
        if (start + portion.rows > from) {
          yield* (await load(portion)).slice(Math.max(0, from - start), Math.max(0, end - start));
        }
        start += portion.rows;
      }
    },
  };
}

/** Lines of a JSONL file. */
interface Lines {
  readonly offset: number;
  readonly length: number;
  /** Of those that are not empty. */
  readonly rows: number;
  /** The number of the first, from 1. */
  readonly first: number;
}

const NEWLINE = 10, BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** A line that holds no row, as `scan` counts them: nothing but ASCII's blanks. */
const EMPTY = /^[\0-\x20]*$/;

/** Goes through a file once: its hash, its lines in portions, and its first character that is no blank. */
async function scan(file: Source): Promise<{ sha256: string; lines: Lines[]; first: string }> {
  const hash = createHash("sha256"), lines: Lines[] = [];
  let first = "", number = 1, blank = true, portion = { offset: 0, rows: 0, first: 1 };
  const end = (at: number) => {
    lines.push({ ...portion, length: at - portion.offset });
    portion = { offset: at, rows: 0, first: number };
  };
  for (let offset = 0; offset < file.size; offset += PORTION_BYTES) {
    const bytes = await file.read(offset, Math.min(PORTION_BYTES, file.size - offset));
    hash.update(bytes);
    for (
      let at = offset === 0 && BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte) ? 3 : 0;
      at < bytes.length;
      at++
    ) {
      if (bytes[at] === NEWLINE) {
        number++;
        blank = true;
        if (offset + at + 1 - portion.offset >= PORTION_BYTES) end(offset + at + 1);
      } else if (blank && bytes[at] > 0x20) {
        blank = false;
        portion.rows++;
        first ||= String.fromCharCode(bytes[at]);
      }
      if (!blank) {
        // On to the end of the line.
        const next = bytes.indexOf(NEWLINE, at + 1);
        at = (next < 0 ? bytes.length : next) - 1;
      }
    }
  }
  end(file.size);
  return { sha256: hash.digest("hex"), lines, first };
}

function jsonPortion({ offset, length, rows, first }: Lines, path: string): Portion {
  return {
    rows,
    async load(file) {
      const lines = decodeText(await file.read(offset, length), path).split("\n"), encoder = new TextEncoder();
      return lines.flatMap((line, i) =>
        EMPTY.test(line) ? [] : [parseObject(encoder.encode(line), `${path}: line ${first + i}`)]
      );
    },
  };
}

function parseArray(bytes: Uint8Array, path: string): unknown[] {
  try {
    return JSON.parse(decodeText(bytes, path));
  } catch (error) {
    if (error instanceof PareError) throw error;
    throw new PareError(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A file as hyparquet reads it. */
interface ParquetFile {
  readonly file: AsyncBuffer;
  readonly compressors: Compressors;
}

/**
 * Does something with a parquet file whose result is no view into it: what was read and unpacked, a whole row group for any
 * of its rows, is let go of at once. @throws PareError if it is none.
 */
async function asParquet<T>(
  source: Source,
  act: (file: ParquetFile, parquet: typeof import("npm:hyparquet@1.31.5")) => Promise<T>,
): Promise<T> {
  // Loaded where such a file is read: few commands read one.
  const parquet = await import("npm:hyparquet@1.31.5");
  const held: Uint8Array<ArrayBuffer>[] = [];
  const file = {
    byteLength: source.size,
    async slice(from: number, end = source.size) {
      const bytes = await source.read(from, end - from);
      held.push(bytes);
      return bytes.buffer;
    },
  };
  const SNAPPY = (packed: Uint8Array, length: number) => {
    const bytes = new Uint8Array(length);
    held.push(bytes);
    parquet.snappyUncompress(packed, bytes);
    return bytes;
  };
  try {
    return await act({ file, compressors: { SNAPPY } }, parquet);
  } catch (error) {
    throw new PareError(`${source.name}: expected a parquet file: ${(error as Error).message}`, { cause: error });
  } finally {
    release(...held);
  }
}

/** The row groups of a parquet file, the large ones cut. */
async function parquetPortions(file: Source): Promise<Portion[]> {
  const { metadata, columns } = await asParquet(file, async ({ file }, { parquetMetadataAsync, parquetSchema }) => {
    const metadata = await parquetMetadataAsync(file);
    return { metadata, columns: parquetSchema(metadata).children.map(({ element }) => element.name) };
  });
  const portions: Portion[] = [];
  let start = 0;
  for (const { num_rows } of metadata.row_groups) {
    const end = start + Number(num_rows);
    for (; start < end; start += PORTION_ROWS) {
      const rowStart = start, rowEnd = Math.min(start + PORTION_ROWS, end);
      portions.push({
        rows: rowEnd - rowStart,
        async load(file) {
          const rows = Array.from({ length: rowEnd - rowStart }, () => ({}));
          // A column at a time, since all of a row group's is unpacked for any of its rows.
          for (const column of columns) {
            await asParquet(file, async (file, { parquetReadObjects }) => {
              const values = await parquetReadObjects({ ...file, metadata, rowStart, rowEnd, columns: [column] });
              for (const [i, value] of values.entries()) Object.assign(rows[i], plain(value));
            });
          }
          return rows;
        },
      });
    }
    start = end;
  }
  return portions;
}

/** Whole numbers as such: parquet's of 64 bits come as `bigint`. Bytes are no view any more. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
}
