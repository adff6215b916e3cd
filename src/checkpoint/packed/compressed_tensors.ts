/**
 * The two sparse formats of the library compressed-tensors, which no loader reads any more, as the dense files that they stand
 * for. Both have a mask of bits for each matrix, rows of whole bytes, the lowest bit first, and the numbers that are kept, row
 * after row:
 *
 *  - `sparse-bitmask`: `X.compressed`, `X.bitmask`, `X.shape` and `X.row_offsets` in the place of X.
 *  - `sparse-24-bitmask`: the same without offsets, two of every four columns kept, X without its `.weight`.
 */
import { BYTES } from "../../backend/backend.ts";
import { PareError } from "../../errors.ts";
import { isDtype, type Shard } from "../assemble.ts";
import { bitPatterns } from "../bits.ts";
import { quote } from "../quote.ts";
import { type Entry, type Safetensors, safetensorsHeader } from "../safetensors.ts";
import type { Source } from "../source.ts";
import { countBits } from "./pack.ts";
import { denseView, type RowReader } from "./view.ts";

/** The formats, as a config names them. */
const FORMATS = ["sparse-bitmask", "sparse-24-bitmask"] as const;
type Format = typeof FORMATS[number];
/** Where a config says what was done to its weights. */
const KEYS = ["quantization_config", "compression_config"] as const;

/** The format of a model's weights, if it is one of the two and they are not quantised besides. */
export function sparseFormat(config: Readonly<Record<string, unknown>>): Format | undefined {
  for (const key of KEYS) {
    const { sparsity_config: sparsity, format } = Object(config[key]) as {
      sparsity_config?: unknown;
      format?: unknown;
    };
    const said = Object(sparsity).format ?? format;
    const found = FORMATS.find((known) => known === said);
    if (found) return found;
  }
}

/** A config without what it says of how weights were stored. */
export function withoutCompression(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !KEYS.some((own) => own === key)));
}

/** Columns that a kept number of the second format may stand in. */
const GROUP = 4, KEPT = 2;

/**
 * The dense file of a compressed one.
 * @throws PareError if its tensors do not belong together.
 */
export async function openCompressed(file: Source, { entries, header }: Safetensors, format: Format): Promise<Shard> {
  const physical = new Map(entries), matrices = new Map<string, CompressedMatrix>();
  for (const { name } of entries.values()) {
    const [, stem] = /^(.*)\.compressed$/s.exec(name) ?? [];
    if (stem === undefined) continue;
    const part = (end: string) => {
      const found = entries.get(`${stem}.${end}`);
      physical.delete(`${stem}.${end}`);
      return found;
    };
    const dense = format === "sparse-bitmask" ? stem : `${stem}.weight`;
    const [values, mask, shape, offsets] = ["compressed", "bitmask", "shape", "row_offsets"].map(part);
    matrices.set(dense, await CompressedMatrix.open(file, dense, format, { values, mask, shape, offsets }));
  }
  const tensors = [...physical.values(), ...matrices.values()].map(({ name, dtype, shape, bytes }) => ({
    name,
    dtype,
    shape,
    bytes,
  }));
  if (!matrices.size) return { source: file, entries, header };
  return await denseView(file, safetensorsHeader(tensors).header, physical, matrices);
}

/** The tensors of one matrix. */
interface Parts {
  readonly values?: Entry;
  readonly mask?: Entry;
  readonly shape?: Entry;
  readonly offsets?: Entry;
}

/** A matrix of a compressed file. */
class CompressedMatrix implements RowReader {
  readonly rowBytes: number;
  readonly bytes: number;

  private constructor(
    readonly file: Source,
    readonly name: string,
    readonly dtype: "F32" | "F16" | "BF16",
    readonly shape: readonly [rows: number, cols: number],
    readonly values: Entry,
    readonly mask: Entry,
    /** Where each row's numbers begin, and behind the last where they end. */
    readonly starts: Float64Array,
  ) {
    this.rowBytes = shape[1] * BYTES[dtype];
    this.bytes = shape[0] * this.rowBytes;
  }

  static async open(file: Source, name: string, format: Format, parts: Parts): Promise<CompressedMatrix> {
    const wrong = (what: string) => new PareError(`${file.name}: compressed tensor ${quote(name)}: ${what}`);
    const { values, mask, shape, offsets } = parts;
    if (!values || !mask || !shape) throw wrong("its compressed, bitmask or shape is missing");
    if (!isDtype(values.dtype)) {
      throw wrong(`its numbers are ${values.dtype}; Pare reads ${Object.keys(BYTES).join(", ")}`);
    }
    if (shape.dtype !== "I64" || shape.bytes !== 16) {
      throw wrong(`its shape is ${shape.dtype} of ${shape.bytes} bytes, expected two I64`);
    }
    const [rows, cols] = new BigInt64Array((await file.read(shape.offset, 16)).buffer),
      most = BigInt(Number.MAX_SAFE_INTEGER);
    if (rows < 1n || cols < 1n || rows * cols > most) throw wrong(`its shape is [${rows}, ${cols}]`);
    const size = [Number(rows), Number(cols)] as const, maskBytes = size[0] * Math.ceil(size[1] / 8);
    if (mask.dtype !== "U8" || mask.bytes !== maskBytes) {
      throw wrong(`its bitmask has ${mask.bytes} bytes, expected ${maskBytes}`);
    }
    const starts = new Float64Array(size[0] + 1), count = values.bytes / BYTES[values.dtype];
    if (format === "sparse-24-bitmask") {
      if (size[1] % GROUP) throw wrong(`it has ${size[1]} columns, expected groups of ${GROUP}`);
      for (let row = 0; row <= size[0]; row++) starts[row] = row * size[1] / GROUP * KEPT;
    } else {
      if (offsets?.dtype !== "I64" || offsets.bytes !== size[0] * 8) {
        throw wrong("its row_offsets are not one I64 a row");
      }
      const said = new BigInt64Array((await file.read(offsets.offset, offsets.bytes)).buffer);
      said.forEach((offset, row) => starts[row] = Number(offset));
      starts[size[0]] = count;
    }
    if (starts[0] !== 0 || starts[size[0]] !== count) {
      throw wrong(`its numbers are ${count}, its rows begin with ${starts[0]} and end with ${starts[size[0]]}`);
    }
    return new CompressedMatrix(file, name, values.dtype, size, values, mask, starts);
  }

  /** Rows of the dense matrix; a row has as many numbers as bits. */
  readonly read = async (first: number, rows: number): Promise<Uint8Array<ArrayBuffer>> => {
    const { shape: [, cols], dtype, starts } = this, perRow = Math.ceil(cols / 8), width = BYTES[dtype];
    const begin = starts[first], count = starts[first + rows] - begin;
    const wrong = (row: number) =>
      new PareError(
        `${this.file.name}: compressed tensor ${quote(this.name)}: row ${row} has other numbers than its mask`,
      );
    if (!(begin >= 0 && count >= 0 && (begin + count) * width <= this.values.bytes)) throw wrong(first);
    const [mask, bytes] = await Promise.all([
      this.file.read(this.mask.offset + first * perRow, rows * perRow),
      this.file.read(this.values.offset + begin * width, count * width),
    ]);
    const values = bitPatterns(bytes, dtype),
      dense = new Uint8Array(rows * cols * width),
      out = bitPatterns(dense, dtype);
    for (let row = 0; row < rows; row++) {
      let at = starts[first + row] - begin, kept = 0;
      for (let i = 0; i < perRow; i++) kept += countBits(mask[row * perRow + i]);
      const beyond = cols % 8 && mask[(row + 1) * perRow - 1] >> cols % 8;
      if (kept !== starts[first + row + 1] - starts[first + row] || beyond) throw wrong(first + row);
      for (let i = 0; i < perRow; i++) {
        for (let bits = mask[row * perRow + i]; bits; bits &= bits - 1) {
          out[row * cols + i * 8 + 31 - Math.clz32(bits & -bits)] = values[at++];
        }
      }
    }
    return dense;
  };
}
