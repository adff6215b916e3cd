/**
 * The file of `deno task pack`: a safetensors file in which some matrices are packed. `docs/packed-format.md` describes it for
 * whoever writes another reader; here are its names, its metadata and the order of its tensors.
 */
import { z } from "npm:zod@4.6.7";
import { PareError } from "../../errors.ts";
import {
  BLOCK_BYTES,
  BYTES,
  isQuantized,
  type PackedPattern,
  type PackedShape,
  partBytes,
  patternName,
  refusePackedShape,
  SEGMENT,
  VALUE_BITS,
  valueBytes,
  type ValueType,
} from "../../backend/backend.ts";
import { parseObject } from "../json.ts";
import { quote } from "../quote.ts";
import { DTYPE_BITS, type Entry, safetensorsHeader } from "../safetensors.ts";

/** `__metadata__.format` of such a file: no loader of dense files takes it for one. */
export const FORMAT = "pare-packed";
/** `__metadata__.version`; a reader refuses others. */
export const VERSION = "1";

/** Parts of a packed matrix, in the order in which they stand in a file, and the ends of their tensors' names. */
export const PARTS = ["values", "mask", "offsets", "scales"] as const;
/** One of them. */
export type Part = typeof PARTS[number];

/** A packed matrix of a file. */
export interface HeldShape extends PackedShape {
  /** Whether the dense file holds it as inputs x outputs, which are its columns x rows here (GPT-2's Conv1D). */
  readonly transposed?: boolean;
}

const TYPES = Object.keys(VALUE_BITS) as ValueType[];
const count = z.int().positive();
const ShapeSchema = z.strictObject({
  shape: z.tuple([count, count]),
  values: z.enum(TYPES as [ValueType, ...ValueType[]]),
  pattern: z.string().regex(/^(dense|bitmask|\d{1,2}:\d{1,2})$/),
  group: count.optional(),
  transposed: z.literal(true).optional(),
});

/** Packed matrices by their names, as the metadata has them. */
export function writeShapes(shapes: ReadonlyMap<string, HeldShape>): string {
  return JSON.stringify(Object.fromEntries(
    [...shapes].map(([name, { rows, cols, valueType, pattern, group, transposed }]) => {
      return [name, { shape: [rows, cols], values: valueType, pattern: patternName(pattern), group, transposed }];
    }),
  ));
}

function parsePatternName(text: string): PackedPattern {
  if (text === "dense" || text === "bitmask") return text;
  const [n, m] = text.split(":").map(Number);
  return { n, m };
}

/** @throws PareError if the metadata says no such matrices. */
export function readShapes(text: string | undefined, file: string): Map<string, HeldShape> {
  if (text === undefined) throw new PareError(`${file}: its metadata has no "packed"`);
  const shapes = new Map<string, HeldShape>();
  for (const [name, value] of Object.entries(parseObject(new TextEncoder().encode(text), `"packed" of ${file}`))) {
    const wrong = (what: string) => new PareError(`${file}: packed tensor ${quote(name)}: ${what}`);
    const parsed = ShapeSchema.safeParse(value);
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      throw wrong(`${path.join(".")}: ${message}`);
    }
    const { shape: [rows, cols], values: valueType, pattern, group, transposed } = parsed.data;
    const shape = { rows, cols, valueType, pattern: parsePatternName(pattern), group, ...transposed && { transposed } },
      refused = refusePackedShape(shape);
    if (refused) throw wrong(`expected ${refused}`);
    shapes.set(name, shape);
  }
  return shapes;
}

/** How a part of a matrix is stored: a tensor of the file. Values of a bitmask are as many as the file says. */
export function partTensor(
  shape: PackedShape,
  part: Part,
  values?: number,
): Omit<Entry, "name" | "offset"> | undefined {
  const { rows, cols, valueType, group = cols } = shape, bytes = part === "values" ? values : partBytes(shape)[part];
  if (bytes === undefined) return undefined;
  switch (part) {
    case "values": {
      const dtype = valueType === "I4" ? "U8" : valueType;
      return { dtype, shape: [bytes * 8 / DTYPE_BITS[dtype]], bytes };
    }
    case "mask":
      return { dtype: "U32", shape: [rows, Math.ceil(cols / 32)], bytes };
    case "offsets":
      return { dtype: "U32", shape: [rows, Math.ceil(cols / SEGMENT)], bytes };
    case "scales":
      return isQuantized(valueType) ? { dtype: "BF16", shape: [rows, Math.ceil(cols / group)], bytes } : undefined;
  }
}

/** A packed matrix, and bytes of its values. */
export interface Sized extends HeldShape {
  /** Padding too. */
  readonly valueBytes: number;
}

/**
 * The header of a packed file, and where each of its tensors stands: all values first, each at a multiple of 16 bytes; the rest
 * by falling size of its numbers.
 * @param dense The header of the dense file.
 */
export function packedHeader(
  packed: ReadonlyMap<string, Sized>,
  others: Iterable<Omit<Entry, "offset">>,
  dense: Uint8Array,
): { header: Uint8Array<ArrayBuffer>; entries: Entry[] } {
  const tensors: Omit<Entry, "offset">[] = [];
  for (const part of PARTS) {
    for (const [name, shape] of packed) {
      const tensor = partTensor(shape, part, shape.valueBytes);
      if (tensor) tensors.push({ name: `${name}.${part}`, ...tensor });
    }
  }
  tensors.push(...others);
  const rank = ({ name, dtype }: Omit<Entry, "offset">) =>
    name.endsWith(".values") && packed.has(name.slice(0, -7)) ? 0 : 64 - DTYPE_BITS[dtype] + 1;
  const order = tensors.map((tensor) => ({ tensor, rank: rank(tensor) })).sort((a, b) => a.rank - b.rank);
  const metadata = {
    format: FORMAT,
    version: VERSION,
    packed: writeShapes(packed),
    dense: new TextDecoder().decode(dense.subarray(8)),
  };
  return safetensorsHeader(order.map(({ tensor }) => tensor), { metadata, sorted: true, alignment: BLOCK_BYTES });
}

/** The header of the dense file again, from the metadata. */
export function denseHeader(text: string | undefined, file: string): Uint8Array<ArrayBuffer> {
  if (text === undefined) throw new PareError(`${file}: its metadata has no "dense", the header of the dense file`);
  const json = new TextEncoder().encode(text), header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  return header;
}

/** Bytes of the values of a matrix by its tensor in a file: those that its pattern asks for, or, of a bitmask, whole blocks. */
export function checkValueBytes(shape: PackedShape, bytes: number): string | undefined {
  const expected = partBytes(shape).values;
  if (expected !== undefined) {
    return bytes === expected ? undefined : `its values take ${bytes} bytes, expected ${expected}`;
  }
  const most = valueBytes(shape.rows * shape.cols, shape.valueType) + (shape.rows / 8 + 2) * BLOCK_BYTES;
  if (bytes % BLOCK_BYTES) return `its values take ${bytes} bytes, expected a multiple of ${BLOCK_BYTES}`;
  return bytes > most ? `its values take ${bytes} bytes, expected at most ${most}` : undefined;
}

/** Bytes of so many numbers of a matrix in the dense file. */
export function denseBytes(count: number, { valueType }: Pick<PackedShape, "valueType">): number {
  return count * (isQuantized(valueType) ? BYTES.F32 : VALUE_BITS[valueType] / 8);
}
