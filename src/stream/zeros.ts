/** Counting zeros of a weight where it is. */
import type { Backend, Tensor } from "../backend/backend.ts";

/** Cells of a density in each direction, at most. */
const CELLS = 64;

/** Into how many cells a weight of this shape is divided where its zeros are counted: at most 64 x 64. */
export function cellsOf({ rows, cols }: Pick<Tensor, "rows" | "cols">): { down: number; across: number } {
  return { down: Math.min(CELLS, rows), across: Math.min(CELLS, cols) };
}

/** The sum of counts by cell. */
export function sumOf(counts: Float32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** How many of a weight's numbers are zero, of either sign; the counting is queued, and the weight may go. */
export async function countZeros(backend: Backend, weight: Tensor): Promise<number> {
  const [bytes] = await queueCount(backend, weight);
  return sumOf(new Float32Array(bytes.buffer));
}

function queueCount(backend: Backend, weight: Tensor): Promise<Uint8Array<ArrayBuffer>[]> {
  const { down, across } = cellsOf(weight);
  using mask = backend.zeros(weight);
  using density = backend.density(mask, down, across);
  return backend.read(density);
}
