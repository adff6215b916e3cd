/** The rows of a data set: parquet, JSONL or a JSON array, as plain values. What a row must hold is the task's. */
import { parquetReadObjects } from "npm:hyparquet@1.31.5";
import { openFile } from "../checkpoint/file.ts";
import { decodeText, parseObject } from "../checkpoint/json.ts";
import { sha256 } from "../checkpoint/sha256.ts";
import { PareError } from "../errors.ts";

/** A file's rows. */
export interface Rows {
  /** The file. */
  readonly path: string;
  /** Plain values. */
  readonly rows: readonly unknown[];
  /** The file's size. */
  readonly bytes: number;
  /** Of the file's bytes. */
  readonly sha256: string;
}

/**
 * Reads all rows of a file.
 * @throws PareError if there is no such file, if it is damaged, or if it has none.
 */
export async function readRows(path: string): Promise<Rows> {
  await using file = await openFile(path);
  const bytes = await file.read(0, file.size);
  const rows = /\.parquet$/i.test(path) ? await parquetRows(bytes, path) : jsonRows(bytes, path);
  if (rows.length === 0) throw new PareError(`${path}: no documents`);
  return { path, rows, bytes: bytes.length, sha256: sha256(bytes) };
}

async function parquetRows(bytes: Uint8Array<ArrayBuffer>, path: string): Promise<unknown[]> {
  try {
    return (await parquetReadObjects({ file: bytes.buffer })).map(plain);
  } catch (error) {
    throw new PareError(`${path}: expected a parquet file: ${(error as Error).message}`, { cause: error });
  }
}

function jsonRows(bytes: Uint8Array, path: string): unknown[] {
  const text = decodeText(bytes, path).replace(/^\ufeff/, "");
  if (text.trimStart().startsWith("[")) {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new PareError(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
    }
  }
  const lines = text.split("\n"), encoder = new TextEncoder();
  return lines.flatMap((line, i) =>
    line.trim() === "" ? [] : [parseObject(encoder.encode(line), `${path}: line ${i + 1}`)]
  );
}

/** Whole numbers as such: parquet's of 64 bits come as `bigint`. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
}
