/**
 * How a matrix lies on the device: in tiles of whole rows, each a buffer that one binding can hold. Most matrices are
 * one tile; a head of 128 k tokens, or the hidden states of a long calibration set, are several. Every tile begins on
 * a whole 32-bit word, and rows lie in it without padding, as in a checkpoint.
 */
import { BYTES, type Dtype, type Mask, type PackedWeight, type Tensor } from "../backend.ts";
import type { Owned as Bound } from "../bind.ts";
import { PareError } from "../../errors.ts";
import type { Device } from "./device.ts";
import { TiledPacked } from "./tiled_packed.ts";

/** A matrix in tiles. */
export class TiledTensor implements Tensor {
  readonly tiles: GPUBuffer[] = [];
  /** Rows of every tile but the last. */
  readonly tileRows: number;
  #device: Device;
  #disposed = false;

  /**
   * A matrix of unknown content.
   * @throws PareError if one row is larger than a binding may be.
   */
  constructor(device: Device, readonly rows: number, readonly cols: number, readonly dtype: Dtype) {
    this.#device = device;
    const rowBytes = cols * BYTES[dtype];
    // Two rows of odd length in two bytes a number end on a whole word.
    const together = rowBytes % 4 === 0 ? 1 : 2;
    const fit = Math.floor(device.bindingLimit / Math.max(rowBytes, 1) / together) * together;
    this.tileRows = Math.min(rows, rows === 1 && rowBytes <= device.bindingLimit ? 1 : fit);
    if (this.tileRows === 0 && rows > 0) {
      const needed = rowBytes * Math.min(rows, together);
      throw new PareError(
        `a matrix of ${cols} columns: the GPU binds at most ${device.bindingLimit} bytes, and a row needs ${needed}`,
      );
    }
    for (let row = 0; row < rows; row += this.tileRows) {
      this.tiles.push(device.take(this.tileBytes(this.tiles.length)));
    }
    device.live++;
  }

  /** Bytes of a tile's numbers. */
  tileBytes(tile: number): number {
    return Math.min(this.tileRows, this.rows - tile * this.tileRows) * this.cols * BYTES[this.dtype];
  }

  /** The tile that holds a row. */
  tileOf(row: number): GPUBuffer {
    return this.tiles[Math.floor(row / this.tileRows)];
  }

  /** Where a row is in its tile. */
  placeOf(row: number): number {
    return row % this.tileRows;
  }

  /** Gives the buffers back: what is queued still sees them, what is queued later may reuse them. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#device.live--;
    for (const tile of this.tiles) this.#device.give(tile);
  }

  /** Whether it was given back. */
  get disposed(): boolean {
    return this.#disposed;
  }
}

/** A mask: a matrix of 32-bit words with one bit for every weight. */
export class TiledMask implements Mask {
  readonly words: TiledTensor;

  /** A mask of unknown content. */
  constructor(device: Device, readonly rows: number, readonly cols: number) {
    this.words = new TiledTensor(device, rows, Math.ceil(cols / 32), "F32");
  }

  /** Gives the words back. */
  [Symbol.dispose](): void {
    this.words[Symbol.dispose]();
  }
}

/** An argument whose tensors and masks are this backend's. */
export type Owned<A> = Bound<A, TiledTensor, TiledMask, TiledPacked>;

/** Throws a `RangeError` for what is another backend's, or was disposed of. */
export function own(held: Tensor | Mask | PackedWeight): void {
  const tensor = held instanceof TiledMask ? held.words : held;
  if (!(tensor instanceof TiledTensor || tensor instanceof TiledPacked)) {
    throw new RangeError("expected a tensor of this backend, found another");
  }
  if (tensor.disposed) throw new RangeError("expected a tensor, found one that was disposed of");
}

/** A mask that removes nothing. */
export function zeroMask(device: Device, rows: number, cols: number): TiledMask {
  const mask = new TiledMask(device, rows, cols);
  for (const tile of mask.words.tiles) device.clear(tile);
  return mask;
}

/** Neighbouring rows that lie in one tile of every matrix asked for. */
export interface Run {
  readonly first: number;
  readonly rows: number;
}

/** The runs into which rows `[first, end)` fall: each in one tile of every matrix, and of at most `most` rows. */
export function* runsOf(
  matrices: readonly TiledTensor[],
  most = Infinity,
  first = 0,
  end = matrices[0].rows,
): Generator<Run> {
  for (let row = first; row < end;) {
    let rows = Math.min(most, end - row);
    for (const matrix of matrices) rows = Math.min(rows, matrix.tileRows - matrix.placeOf(row));
    yield { first: row, rows };
    row += rows;
  }
}
