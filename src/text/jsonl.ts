/**
 * JSONL corpora: one JSON object a line, its text under `text`, gzipped or not. A file is read as a stream and no more
 * of it is kept than the reader asks for: a shard of C4 (800 MB of text) takes no more memory than a small file. A
 * line of white space is no document.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { parseObject } from "../checkpoint/json.ts";
import { systemError } from "../checkpoint/system_error.ts";
import { PareError } from "../errors.ts";

/** How much the decompressor hands on at a time: larger than nearly every document, so that few are put together. */
const CHUNK_BYTES = 1 << 18;

const NEWLINE = 0x0a;

/** What one pass over a file found. */
export interface Documents {
  /** How many documents the file has. */
  readonly count: number;
  /** The texts that were asked for, by the document's index, in the order of the file. */
  readonly texts: Map<number, string>;
  /** SHA-256 of the file's lines (unzipped), in hexadecimal. */
  readonly sha256: string;
}

/**
 * Reads through the file, checks every document, and keeps the texts of those whose index `wanted` accepts.
 * @throws PareError if there is no such file, if it is damaged or empty, or naming the first line that is no document.
 */
export async function readDocuments(path: string, wanted: (index: number) => boolean): Promise<Documents> {
  const hash = createHash("sha256");
  const texts = new Map<number, string>();
  let line = 0, count = 0;
  for await (const bytes of lines(path, hash)) {
    line++;
    if (isBlank(bytes)) continue;
    const { text } = parseObject(bytes, `${path}: line ${line}`);
    if (typeof text !== "string") {
      throw new PareError(`${path}: line ${line}: expected a string under "text", found ${typeof text}`);
    }
    if (wanted(count)) texts.set(count, text);
    count++;
  }
  if (count === 0) throw new PareError(`${path}: no documents; expected one JSON object with "text" a line`);
  return { count, texts, sha256: hash.digest("hex") };
}

/** The file's lines, unzipped, without their newlines; all bytes go through `hash`. */
async function* lines(path: string, hash: Hash): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  const stream = path.endsWith(".gz") ? file.pipe(createGunzip({ chunkSize: CHUNK_BYTES })) : file;
  file.on("error", (error) => stream.destroy(error)); // pipe() does not hand errors on
  let begun: Uint8Array[] = [];
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      let start = 0;
      for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
        yield join([...begun, chunk.subarray(start, end)]);
        begun = [];
      }
      if (start < chunk.length) begun.push(chunk.subarray(start));
    }
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith("Z_")) {
      throw new PareError(`${path}: damaged gzip file: ${(error as Error).message}`);
    }
    throw systemError("read", path, error);
  } finally {
    file.destroy();
    stream.destroy();
  }
  if (begun.length > 0) yield join(begun);
}

/** Most lines lie in one chunk and are not copied. */
function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** JSON's white space: tab, line feed, carriage return and space. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
