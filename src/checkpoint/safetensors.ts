/**
 * The safetensors format: eight bytes of length (little-endian), that many bytes of JSON, then the tensors' bytes. The
 * JSON maps a name to `{ dtype, shape, data_offsets: [begin, end] }`, offsets counted from the end of the JSON.
 *
 * Nothing that a file says is believed: a lying one is refused here, before a byte of a tensor is read, by the rules of
 * the reference reader (https://github.com/huggingface/safetensors): tensors fill the file exactly, without overlap or
 * hole, each as long as its dtype and shape say. All dtypes are read; which ones a model may hold is not decided here.
 */
import { z } from "npm:zod@4.6.7";
import { PareError } from "../errors.ts";
import { parseObject } from "./json.ts";
import { quote } from "./quote.ts";
import type { Source } from "./source.ts";

/** Bits of one number of each dtype of the format. */
export const DTYPE_BITS: Readonly<Record<string, number>> = {
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8, U8: 8, I8: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8 },
  ...{ F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, U16: 16, I16: 16, F16: 16, BF16: 16, U32: 32, I32: 32, F32: 32 },
  ...{ U64: 64, I64: 64, F64: 64, C64: 64 },
};

/**
 * Longest header that is read, the same as the reference reader's. A header takes about 100 bytes a tensor: this is a
 * million tensors, and a file that claims 2 GB of header costs no memory.
 */
export const LONGEST_HEADER = 100_000_000;

/** The object of tensors, a tensor's object, and its shape or offsets. */
const DEEPEST_HEADER = 3;

/** One tensor of a safetensors file. */
export interface Entry {
  /** Any text; it stands in the file once. */
  readonly name: string;
  /** As the file spells it: `F16`, `I32`, … */
  readonly dtype: string;
  /** Dimensions, rows first; none for a single number. */
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly bytes: number;
}

/** A safetensors file whose header was read and found true. */
export interface Safetensors {
  /** Every tensor, in the order of its bytes. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** The bytes before the first tensor: length, JSON and padding, as they are. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** What the file says of itself: texts by their names. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The bytes of one tensor.
   * @throws PareError if there is none of that name.
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** The one key of a header that is no tensor's. */
const METADATA = "__metadata__";

const count = z.int().nonnegative();
const EntrySchema = z.object({ dtype: z.string(), shape: z.array(count), data_offsets: z.tuple([count, count]) });
const MetadataSchema = z.record(z.string(), z.string()).nullish();

/**
 * Reads and checks the header of a safetensors file. The source stays open and belongs to the caller.
 * @throws PareError naming the file, and the tensor where there is one, for whatever is wrong with the header.
 */
export async function readSafetensors(source: Source): Promise<Safetensors> {
  const { name: file, size } = source;
  if (size < 8) throw new PareError(`${file} is not a safetensors file: it has ${size} bytes`);
  const length = new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true);
  if (length > LONGEST_HEADER) {
    throw new PareError(`${file}: its header claims ${length} bytes; at most ${LONGEST_HEADER} are read`);
  }
  const start = 8 + Number(length);
  if (start > size) {
    throw new PareError(`${file}: truncated: its header claims ${length} bytes, the file has ${size} in all`);
  }
  const header = await source.read(0, start);
  const written = countNames(header.subarray(8), file);
  const json = parseObject(header.subarray(8), `the header of ${file}`);
  const names = Object.keys(json);
  if (names.length !== written) refuseTwins(header.subarray(8), file);

  const checked = MetadataSchema.safeParse(json[METADATA]);
  if (!checked.success) throw new PareError(`${file}: ${METADATA}: ${explain(checked.error)}`);

  const sorted: Entry[] = [];
  for (const name of names) if (name !== METADATA) sorted.push(entry(file, name, json[name], start, size));
  sorted.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  refuseGaps(sorted, file, start, size);
  const entries = new Map(sorted.map((each) => [each.name, each]));
  return {
    entries,
    header,
    metadata: checked.data ?? {},
    async read(name) {
      const found = entries.get(name);
      if (!found) throw new PareError(`${file} has no tensor ${quote(name)}`);
      return await source.read(found.offset, found.bytes);
    },
  };
}

/** One tensor's line of the header, believed only as far as it adds up. */
function entry(file: string, name: string, value: unknown, start: number, size: number): Entry {
  const wrong = (what: string) => new PareError(`${file}: tensor ${quote(name)}: ${what}`);
  if (!isEntry(value)) throw wrong(explain(EntrySchema.safeParse(value).error!));
  const { dtype, shape, data_offsets: [begin, end] } = value;
  if (!Object.hasOwn(DTYPE_BITS, dtype)) throw wrong(`unknown dtype ${quote(dtype)}`);
  if (begin > end) throw wrong(`its bytes end (${end}) before they begin (${begin})`);
  if (start + end > size) throw wrong(`its bytes end at ${start + end}, the file at ${size}`);
  const numbers = shape.includes(0) ? 0 : shape.reduce((product, each) => product * each, 1);
  const bytes = numbers * DTYPE_BITS[dtype] / 8;
  if (bytes !== end - begin) {
    throw wrong(`${dtype} of shape [${shape.join(", ")}] takes ${bytes} bytes, its range has ${end - begin}`);
  }
  return { name, dtype, shape, offset: start + begin, bytes };
}

/** What `EntrySchema` says, a hundred times as fast; a header may have a million entries, and the schema's own words for a wrong one. */
function isEntry(value: unknown): value is z.infer<typeof EntrySchema> {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape, data_offsets: range } = value as Record<string, unknown>;
  return typeof dtype === "string" && Array.isArray(shape) && shape.every(isCount) &&
    Array.isArray(range) && range.length === 2 && range.every(isCount);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0;
}

/** Refuses overlaps and holes; `sorted` by offset. */
function refuseGaps(sorted: readonly Entry[], file: string, start: number, size: number): void {
  let end = start;
  let before = "";
  for (const { name, offset, bytes } of sorted) {
    if (offset < end) throw new PareError(`${file}: tensors ${quote(before)} and ${quote(name)} overlap`);
    if (offset > end) throw new PareError(`${file}: ${offset - end} bytes before tensor ${quote(name)} belong to none`);
    end = offset + bytes;
    before = name;
  }
  if (end < size) throw new PareError(`${file}: its last ${size - end} bytes belong to no tensor`);
}

/**
 * Walks the names of the outermost object as they are written, escapes and all, and counts them. It runs before the JSON is
 * known to be any, and refuses what nests deeper than a header does: a hundred million brackets would cost the JSON parser
 * gigabytes.
 * @param onName Told of every name as it is written, in its quotes.
 */
function countNames(header: Uint8Array, file: string, onName?: (written: Uint8Array) => void): number {
  const [QUOTE, COLON, BACKSLASH] = [0x22, 0x3a, 0x5c];
  let depth = 0, names = 0;
  for (let i = 0; i < header.length; i++) {
    const byte = header[i] | 0x20; // "[" and "{" differ in this bit alone, as do "]" and "}"
    if (byte === 0x7b) depth++;
    else if (byte === 0x7d) depth--;
    else if (header[i] === QUOTE) {
      const begin = i;
      while (++i < header.length && header[i] !== QUOTE) if (header[i] === BACKSLASH) i++;
      let next = i + 1;
      while (header[next] <= 0x20) next++;
      if (depth === 1 && header[next] === COLON) {
        names++;
        onName?.(header.subarray(begin, i + 1));
      }
    }
    if (depth > DEEPEST_HEADER) throw new PareError(`${file}: its header is nested deeper than a header is`);
  }
  return names;
}

/** Refuses a header in which a name stands twice: `JSON.parse` would keep the last of them and say nothing. */
function refuseTwins(header: Uint8Array, file: string): void {
  const seen = new Set<string>(), decoder = new TextDecoder();
  countNames(header, file, (written) => {
    const name: string = JSON.parse(decoder.decode(written));
    if (seen.has(name)) throw new PareError(`${file}: tensor ${quote(name)} stands in the header twice`);
    seen.add(name);
  });
}

/** The first complaint of a schema, with the place it is about. */
function explain({ issues: [{ path, message }] }: z.ZodError): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}

/** How a header is written. */
export interface HeaderOptions {
  /** What the file says of itself; that its tensors are PyTorch's, if not said. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether the tensors are in their order. */
  readonly sorted?: boolean;
  /** The first tensor begins at a multiple of this. */
  readonly alignment?: number;
}

/**
 * The header of a file of these tensors, in the order in which the reference writer puts them: dtypes by falling size,
 * then names by their bytes; padded with spaces to a multiple of eight.
 */
export function safetensorsHeader(
  tensors: Iterable<Omit<Entry, "offset">>,
  { metadata = { format: "pt" }, sorted: inOrder = false, alignment = 8 }: HeaderOptions = {},
): { header: Uint8Array<ArrayBuffer>; entries: Entry[] } {
  const sorted = inOrder
    ? [...tensors]
    : [...tensors].sort((a, b) =>
      DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    );
  let end = 0;
  const json: Record<string, unknown> = { [METADATA]: metadata };
  for (const { name, dtype, shape, bytes } of sorted) {
    json[name] = { dtype, shape, data_offsets: [end, end += bytes] };
  }
  const text = new TextEncoder().encode(JSON.stringify(json));
  const length = Math.ceil((8 + text.length) / alignment) * alignment - 8;
  const header = new Uint8Array(8 + length).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  let offset = header.length;
  const entries = sorted.map(({ name, dtype, shape, bytes }) => {
    const at = offset;
    offset += bytes;
    return { name, dtype, shape, offset: at, bytes };
  });
  return { header, entries };
}
