/**
 * What is told of a pruned linear beside its bytes, measured while its weight is still on the backend: where in the matrix
 * the zeros stand, and how magnitudes and scores are distributed. Only small tensors come back.
 */
import type { Backend, Formula, Mask, Tensor } from "../backend/backend.ts";
import { cellsOf, sumOf } from "./zeros.ts";

/** Bins of a histogram. */
const BINS = 128;

/** How numbers that are never negative lie, and where the removed among them end and the kept begin. */
export interface Distribution {
  /** How many lie in each of 128 bins of equal width from 0 to the greatest. */
  readonly counts: readonly number[];
  /** Of each row the greatest that was removed (-1: none), the least (infinite: none) and the greatest that was kept (-1: none). */
  readonly extremes: Float32Array;
}

/** What a linear looks like. */
export interface LinearDistribution {
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** Of |W| before pruning. */
  readonly magnitudes: Distribution;
  /** Of the method's scores, where it gives each weight one number. */
  readonly scores?: Distribution;
  /** How many weights are zero now in each cell of a grid of at most 64 x 64, which covers whole rows and columns. */
  readonly density: { readonly down: number; readonly across: number; readonly zeros: Float32Array };
}

/** Measurements on their way: what to read, and what to make of it. */
export interface Measuring {
  /** Tensors and masks to read, in this order. */
  readonly held: readonly (Tensor | Mask)[];
  /** @param bytes Of what was to be read. */
  finish(bytes: readonly Uint8Array<ArrayBuffer>[]): Measured;
}

/** What was measured. */
export interface Measured {
  /** Weights that are zero now. */
  readonly zeros: number;
  /** The mask of what is zero now, as the backend holds it: rows of 32-bit words. */
  readonly mask: Uint8Array<ArrayBuffer>;
  /** Where it was asked for. */
  readonly distribution?: LinearDistribution;
}

/**
 * Queues the measurements of a weight.
 * @param before The weight as it was, where its distribution is asked for.
 * @param formula What a weight was worth, where that is one number.
 * @param keep Takes what must live until it is read.
 */
export function measure(
  backend: Backend,
  after: Tensor,
  before: Tensor | undefined,
  formula: Formula | undefined,
  keep: DisposableStack,
): Measuring {
  const { rows, cols } = after, { down, across } = cellsOf(after);
  const mask = keep.use(backend.zeros(after)), density = keep.use(backend.density(mask, down, across));
  const distribution = (values: Tensor) => [
    keep.use(backend.histogram(values, BINS)),
    keep.use(backend.extremes(values, mask)),
  ];
  const held: (Tensor | Mask)[] = [mask, density];
  if (before) held.push(...distribution(before));
  // A magnitude is its own score.
  const own = before && formula && formula.kind !== "magnitude";
  if (own) {
    using scores = backend.score(before, formula);
    held.push(...distribution(scores));
  }
  return {
    held,
    finish([mask, density, ...rest]) {
      const zeros = new Float32Array(density.buffer), [magnitudes, others] = [rest.splice(0, 2), rest];
      return {
        zeros: sumOf(zeros),
        mask,
        ...before && {
          distribution: {
            rows,
            cols,
            magnitudes: read(magnitudes),
            ...formula && { scores: read(own ? others : magnitudes) },
            density: { down, across, zeros },
          },
        },
      };
    },
  };
}

function read([histogram, extremes]: readonly Uint8Array<ArrayBuffer>[]): Distribution {
  const parts = new Float32Array(histogram.buffer);
  const counts = Array.from({ length: BINS }, (_, bin) => parts[bin] + parts[BINS + bin]);
  return { counts, extremes: new Float32Array(extremes.buffer) };
}

/**
 * What a mask keeps: a bit for each weight, row-major without a gap between rows, 1 = kept, in bytes from the lowest bit up.
 * @param mask Rows of 32-bit words, 1 = removed.
 */
export function keptBits(mask: Uint8Array<ArrayBuffer>, rows: number, cols: number): Uint8Array<ArrayBuffer> {
  const words = Math.ceil(cols / 32), removed = new Uint32Array(mask.buffer, mask.byteOffset, rows * words);
  const kept = new Uint32Array(Math.ceil(rows * cols / 32));
  if (cols % 32 === 0) removed.forEach((word, at) => kept[at] = ~word);
  else {
    // A row begins anywhere in a word.
    for (let row = 0; row < rows; row++) {
      for (let word = 0, at = row * cols; word < words; word++, at += 32) {
        const bits = Math.min(32, cols - word * 32),
          some = ~removed[row * words + word] & (2 ** bits - 1),
          low = at % 32;
        kept[at >>> 5] |= some << low;
        if (low + bits > 32) kept[(at >>> 5) + 1] |= some >>> (32 - low);
      }
    }
  }
  return new Uint8Array(kept.buffer, 0, Math.ceil(rows * cols / 8));
}
