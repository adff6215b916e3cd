/** A packed file (`format.ts`) as the shard of the dense file that it was made from, whose packed matrices can be had as they are. */
import { BYTES, expandedDtype, type PackedData, type PackedShape, SEGMENT, VALUE_BITS } from "../../backend/backend.ts";
import { PareError } from "../../errors.ts";
import type { Shard } from "../assemble.ts";
import { bitPatterns } from "../bits.ts";
import { allFinite } from "../finite.ts";
import { quote } from "../quote.ts";
import type { Entry, Safetensors } from "../safetensors.ts";
import type { Source } from "../source.ts";
import { transpose } from "../transpose.ts";
import { expandRows, findContradiction, rowStarts } from "./expand.ts";
import {
  checkValueBytes,
  denseBytes,
  denseHeader,
  FORMAT,
  type HeldShape,
  type Part,
  PARTS,
  partTensor,
  readShapes,
  VERSION,
} from "./format.ts";
import { denseView } from "./view.ts";

/** Whether a file says that it is packed. */
export function isPacked({ metadata }: Pick<Safetensors, "metadata">): boolean {
  return metadata.format === FORMAT;
}

/** Tensors of the parts of one matrix. */
type Parts = { readonly [K in Part]?: Entry };

/**
 * Opens a packed file.
 * @throws PareError if it is of another version, or its tensors are not what its metadata says.
 */
export async function openPacked(file: Source, { entries, metadata }: Safetensors): Promise<Shard> {
  if (metadata.version !== VERSION) {
    throw new PareError(
      `${file.name} is of version ${quote(metadata.version ?? "?")} of ${FORMAT}; Pare reads ${VERSION}`,
    );
  }
  const shapes = readShapes(metadata.packed, file.name), physical = new Map(entries);
  const matrices = new Map<string, PackedMatrix>();
  for (const [name, shape] of shapes) {
    const matrix = new PackedMatrix(file, name, shape, findParts(file.name, name, shape, entries));
    for (const part of PARTS) physical.delete(`${name}.${part}`);
    matrices.set(name, matrix);
  }
  const shard = await denseView(file, denseHeader(metadata.dense, file.name), physical, matrices);
  return { ...shard, packed: matrices };
}

/** The tensors of a matrix's parts. @throws PareError if one is missing or of another kind, or there is one too many. */
function findParts(file: string, name: string, shape: PackedShape, entries: ReadonlyMap<string, Entry>): Parts {
  const parts: { [K in Part]?: Entry } = {};
  for (const part of PARTS) {
    const found = entries.get(`${name}.${part}`),
      wrong = (what: string) => new PareError(`${file}: packed tensor ${quote(name)}: ${what}`);
    const expected = partTensor(shape, part, found?.bytes);
    if (!expected && !found && part !== "values") continue;
    if (!found) throw wrong(`its ${part} are missing`);
    if (!expected) throw wrong(`it has ${part}, which its pattern and values do not ask for`);
    const [said, is] = [expected, found].map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`);
    if (said !== is) throw wrong(`its ${part} are ${is}, expected ${said}`);
    const refused = part === "values" ? checkValueBytes(shape, found.bytes) : undefined;
    if (refused) throw wrong(refused);
    parts[part] = found;
  }
  return parts;
}

/** A packed matrix of a file. */
export class PackedMatrix {
  readonly dtype: "F32" | "F16" | "BF16";
  readonly shape: readonly number[];
  readonly rowBytes: number;
  /** Bytes of the dense matrix, and of the packed one in the file. */
  readonly bytes: number;
  readonly packedBytes: number;

  constructor(readonly file: Source, readonly name: string, readonly packed: HeldShape, readonly parts: Parts) {
    this.dtype = expandedDtype(packed);
    this.shape = packed.transposed ? [packed.cols, packed.rows] : [packed.rows, packed.cols];
    this.rowBytes = denseBytes(packed.transposed ? packed.rows : packed.cols, packed);
    this.bytes = this.shape[0] * this.rowBytes;
    this.packedBytes = PARTS.reduce((sum, part) => sum + (parts[part]?.bytes ?? 0), 0);
  }

  /** Rows of the dense matrix. */
  readonly read = async (first: number, rows: number): Promise<Uint8Array<ArrayBuffer>> => {
    const { packed, dtype, rowBytes } = this;
    if (packed.transposed) {
      // A row has one number of each that is stored.
      const { data, valuesFrom } = await this.#rows(0, packed.rows);
      const whole = expandRows({ ...data, first: 0, valuesFrom });
      return transpose(whole, packed.rows, packed.cols, dtype).slice(first * rowBytes, (first + rows) * rowBytes);
    }
    const { data, valuesFrom } = await this.#rows(first, rows);
    return expandRows({ ...data, first, valuesFrom });
  };

  /**
   * The matrix as it is.
   * @throws PareError if its parts contradict each other, or a number is NaN or Inf.
   */
  readonly readPacked = async (): Promise<PackedData> => {
    const { data } = await this.#rows(0, this.packed.rows), { valueType } = this.packed;
    const floats = valueType === "I8" || valueType === "I4" ? undefined : valueType;
    if (floats && !allFinite(data.values, floats)) throw this.#wrong("it holds NaN or Inf");
    return data;
  };

  /** The parts of some rows, which agree. */
  async #rows(first: number, rows: number): Promise<{ data: PackedData; valuesFrom: number }> {
    const { cols, group = cols, valueType } = this.packed, shape = { ...this.packed, rows };
    const whole = first === 0 && rows === this.packed.rows;
    const [mask, offsets, scales] = await Promise.all([
      this.#read("mask", first, rows, Math.ceil(cols / 32) * BYTES.F32),
      this.#read("offsets", first, rows, Math.ceil(cols / SEGMENT) * BYTES.F32),
      this.#read("scales", first, rows, Math.ceil(cols / group) * BYTES.BF16),
    ]);
    if (scales && !allFinite(scales, "BF16")) throw this.#wrong("a scale is NaN or Inf");
    const words = mask && bitPatterns(mask, "F32") as Uint32Array,
      starts = offsets && bitPatterns(offsets, "F32") as Uint32Array;
    const wrong = findContradiction(shape, first, words, starts);
    if (wrong) throw this.#wrong(wrong);
    // Values are read by whole bytes.
    const at = rowStarts(shape, first, words, starts), bits = VALUE_BITS[valueType], values = this.parts.values!;
    const begin = whole ? 0 : Math.floor(at[0] * bits / 8), end = whole ? values.bytes : Math.ceil(at[rows] * bits / 8);
    if (begin < 0 || end > values.bytes || at[rows] * bits / 8 > values.bytes) {
      throw this.#wrong(`its values end at byte ${Math.ceil(at[rows] * bits / 8)}, there are ${values.bytes}`);
    }
    const bytes = await this.file.read(values.offset + begin, end - begin);
    return { data: { ...shape, values: bytes, mask, offsets, scales }, valuesFrom: begin * 8 / bits };
  }

  async #read(part: Part, first: number, rows: number, rowBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const entry = this.parts[part];
    return entry && await this.file.read(entry.offset + first * rowBytes, rows * rowBytes);
  }

  #wrong(what: string): PareError {
    return new PareError(`${this.file.name}: packed tensor ${quote(this.name)}: ${what}`);
  }
}
