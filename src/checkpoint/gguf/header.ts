/**
 * The header of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version, counts, then
 * key-value pairs, then a line for each tensor; the tensors' bytes follow at the next multiple of the alignment.
 *
 * It is read by hand, though `npm:@huggingface/gguf` reads it too: that one (0.4.6) takes the bytes that a truncated
 * file lacks for zeros and accepts it, and cuts a string at the end of a 2 MB chunk without a word. Here every length is
 * held against the bytes that are there before anything is made of it, so memory stays within a few times the header.
 */
import { PareError } from "../../errors.ts";
import { quote } from "../quote.ts";
import type { Source } from "../source.ts";
import { formatName, FORMATS } from "./formats.ts";

/** Bytes that are read first; nearly every header is within them (a vocabulary of 128 k pieces makes one of 8 MB). */
const FIRST_WINDOW = 16 << 20;

/** Longest header that is read. The largest known (a vocabulary of 256 k pieces with merges) is a quarter of it. */
const LONGEST_HEADER = 64 << 20;

/** GGML's own limit. */
const MOST_DIMENSIONS = 4;

/** `general.alignment` where a file does not say. */
const DEFAULT_ALIGNMENT = 32;

/** Largest alignment that is believed: a page of the largest kind. */
const LARGEST_ALIGNMENT = 1 << 30;

/** A value of the metadata. Numbers of 64 bits come as the nearest `number`; arrays of numbers as typed arrays. */
export type Value = string | number | boolean | ArrayLike<number> | readonly string[];

/** One tensor as GGUF has it. */
export interface GgufTensor {
  /** llama.cpp's name: `blk.0.ffn_up.weight`. */
  readonly name: string;
  /** Number of its format in `formats.ts`. */
  readonly format: number;
  /** Rows first, as everywhere but in GGUF. */
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly bytes: number;
}

/** A GGUF header that was read and found true. */
export interface GgufHeader {
  /** By key: `llama.block_count`. */
  readonly metadata: ReadonlyMap<string, Value>;
  /** In the order of the header. */
  readonly tensors: readonly GgufTensor[];
}

/** How the types 0 to 12 of a metadata value are stored; 7 is a boolean, 8 a string, 9 an array. */
const NUMBERS = [
  ...[Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array],
  ...[Uint8Array, undefined, undefined, BigUint64Array, BigInt64Array, Float64Array],
];
const [BOOLEAN, STRING, ARRAY] = [7, 8, 9];

/** Bytes of the shortest text: its length. */
const SHORTEST = 8;

/** Thrown when the window ends before the header does. */
const MORE = Symbol("a larger window is needed");

/**
 * Reads and checks the header of a GGUF file.
 * @throws PareError naming the file, and the key or tensor where there is one, for whatever is wrong with it.
 */
export async function readGgufHeader(source: Source): Promise<GgufHeader> {
  const longest = Math.min(source.size, LONGEST_HEADER);
  for (let window = Math.min(FIRST_WINDOW, longest);; window = Math.min(window * 2, longest)) {
    try {
      return parse(new Cursor(await source.read(0, window), source.name, source.size, window === longest));
    } catch (error) {
      if (error !== MORE) throw error;
    }
  }
}

/** Takes values off the front of the header, one after the other. */
class Cursor {
  at = 0;
  readonly #view: DataView;
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // a piece may be a BOM

  constructor(
    readonly bytes: Uint8Array<ArrayBuffer>,
    readonly file: string,
    readonly size: number,
    readonly whole: boolean,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  wrong(what: string): PareError {
    return new PareError(`${this.file}: ${what}`);
  }

  /** Makes sure that `count` more bytes are there. */
  expect(count: number, what: string): void {
    const end = this.at + count;
    if (end > this.size) {
      throw this.wrong(`truncated: ${what} needs ${count} bytes at ${this.at}, the file has ${this.size}`);
    }
    if (end <= this.bytes.length) return;
    if (!this.whole) throw MORE;
    throw this.wrong(`its header is longer than ${LONGEST_HEADER} bytes, the most that is read`);
  }

  /** Steps over `count` bytes and gives where they begin. */
  skip(count: number, what: string): number {
    this.expect(count, what);
    this.at += count;
    return this.at - count;
  }

  uint32(what: string): number {
    return this.#view.getUint32(this.skip(4, what), true);
  }

  uint64(what: string): number {
    return Number(this.#view.getBigUint64(this.skip(8, what), true));
  }

  string(what: string): string {
    const length = this.uint64(what);
    const at = this.skip(length, what);
    try {
      return this.#text.decode(this.bytes.subarray(at, at + length));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw this.wrong(`${what} is not UTF-8 text`);
    }
  }

  /** `count` numbers of a type; their bytes are copied, so that they stand at a multiple of their size. */
  numbers(type: number, count: number, what: string): ArrayLike<number> {
    const Numbers = NUMBERS[type];
    if (!Numbers) throw this.wrong(`${what} has the unknown type ${type}`);
    const length = count * Numbers.BYTES_PER_ELEMENT;
    const at = this.skip(length, what);
    const numbers = new Numbers(this.bytes.slice(at, at + length).buffer);
    return numbers instanceof BigUint64Array || numbers instanceof BigInt64Array
      ? Float64Array.from(numbers, Number)
      : numbers;
  }

  value(type: number, what: string): Value {
    if (type === STRING) return this.string(what);
    if (type === BOOLEAN) return this.numbers(type, 1, what)[0] !== 0;
    if (type !== ARRAY) return this.numbers(type, 1, what)[0];
    const inner = this.uint32(what);
    const count = this.uint64(what);
    // No key of a model nests, and a small file could hold millions of empty arrays.
    if (inner === ARRAY) throw this.wrong(`${what} is an array of arrays, which Pare does not read`);
    if (inner !== STRING) return this.numbers(inner, count, what);
    this.expect(count * SHORTEST, what);
    const values: string[] = [];
    for (let i = 0; i < count; i++) values.push(this.string(what));
    return values;
  }
}

function parse(cursor: Cursor): GgufHeader {
  const magic = cursor.skip(4, "the magic");
  if (!isGguf(cursor.bytes.subarray(magic, 4))) throw cursor.wrong("it is not a GGUF file");
  const version = cursor.uint32("the version");
  // Version 1 had lengths of 32 bits for two months of 2023; a big-endian file has its version in the upper byte.
  if (version !== 2 && version !== 3) throw cursor.wrong(`GGUF version ${version}; Pare reads 2 and 3, little-endian`);
  const tensorCount = cursor.uint64("the tensor count");
  const keyCount = cursor.uint64("the key count");

  const metadata = new Map<string, Value>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string(`key ${i}`);
    if (metadata.has(key)) throw cursor.wrong(`key ${quote(key)} stands in the header twice`);
    const what = `key ${quote(key)}`;
    metadata.set(key, cursor.value(cursor.uint32(what), what));
  }

  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== "number" || !(alignment >= 1 && alignment <= LARGEST_ALIGNMENT) || alignment % 1 !== 0) {
    throw cursor.wrong(`general.alignment must be a positive integer, found ${alignment}`);
  }
  const tensors: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) tensors.push(tensor(cursor, i, alignment));
  const start = Math.ceil(cursor.at / alignment) * alignment;
  return { metadata, tensors: placed(tensors, start, cursor) };
}

/** Whether these bytes begin as a GGUF file does. */
export function isGguf(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(0, 4)) === "GGUF";
}

/** One tensor's line; its offset is counted from the first tensor, whose place is not yet known. */
function tensor(cursor: Cursor, index: number, alignment: number): GgufTensor {
  const name = cursor.string(`the name of tensor ${index}`);
  const what = `tensor ${quote(name)}`;
  const dimensions = cursor.uint32(what);
  if (dimensions < 1 || dimensions > MOST_DIMENSIONS) throw cursor.wrong(`${what} has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => cursor.uint64(what)).reverse();
  const format = cursor.uint32(what);
  const offset = cursor.uint64(what);
  const stored = FORMATS[format];
  if (!stored) {
    const known = Object.values(FORMATS).map(({ name }) => name).join(", ");
    throw cursor.wrong(`${what} is ${formatName(format)}; Pare reads ${known}`);
  }
  const numbers = shape.reduce((product, each) => product * each, 1);
  if (!(numbers >= 1 && numbers <= Number.MAX_SAFE_INTEGER) || shape.at(-1)! % stored.weights !== 0) {
    throw cursor.wrong(`${what}: its shape [${shape.join(", ")}] cannot be ${stored.name}`);
  }
  if (offset % alignment !== 0) throw cursor.wrong(`${what} begins at ${offset}, no multiple of ${alignment}`);
  return { name, format, shape, offset, bytes: numbers / stored.weights * stored.bytes };
}

/** The tensors at their places in the file: inside it, and none over another. */
function placed(tensors: readonly GgufTensor[], start: number, cursor: Cursor): GgufTensor[] {
  const found = tensors.map((tensor) => ({ ...tensor, offset: start + tensor.offset }));
  const names = new Set<string>();
  let before: GgufTensor | undefined;
  for (const tensor of found.toSorted((a, b) => a.offset - b.offset)) {
    const { name, offset, bytes } = tensor;
    if (names.has(name)) throw cursor.wrong(`tensor ${quote(name)} stands in the header twice`);
    names.add(name);
    if (offset + bytes > cursor.size) {
      throw cursor.wrong(`tensor ${quote(name)}: its bytes end at ${offset + bytes}, the file at ${cursor.size}`);
    }
    if (before && before.offset + before.bytes > offset) {
      throw cursor.wrong(`tensors ${quote(before.name)} and ${quote(name)} overlap`);
    }
    before = tensor;
  }
  return found;
}
