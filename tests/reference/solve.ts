/**
 * SparseGPT's solve in plain TypeScript and f64: the published three steps to the factor of the inverse Hessian, and the
 * column loop weight by weight.
 */

/** The lower triangular L with `matrix = L Lᵀ` (n x n, row-major); undefined if a pivot is not positive. */
export function cholesky(matrix: Float64Array, n: number): Float64Array | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      if (i === j && !(sum > 0 && sum < Infinity)) return undefined;
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j];
    }
  }
  return lower;
}

/** The inverse of a lower triangular matrix. */
function invertLower(lower: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    inverse[j * n + j] = 1 / lower[j * n + j];
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum += lower[i * n + k] * inverse[k * n + j];
      inverse[i * n + j] = -sum / lower[i * n + i];
    }
  }
  return inverse;
}

/** The upper triangular U with `matrix⁻¹ = Uᵀ U`: Cholesky, inverse, and the transposed Cholesky of the inverse. */
export function upperFactor(matrix: Float64Array, n: number): Float64Array | undefined {
  const lower = cholesky(matrix, n);
  if (!lower) return undefined;
  const half = invertLower(lower, n), inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = Math.max(i, j); k < n; k++) inverse[i * n + j] += half[k * n + i] * half[k * n + j];
    }
  }
  const root = cholesky(inverse, n);
  return root?.map((_, at) => root[at % n * n + Math.floor(at / n)]);
}

/** How often the damping is raised tenfold. */
const RAISES = 3;

/** What `Backend.inverseFactor` computes. */
export function inverse(
  hessian: ArrayLike<number>,
  n: number,
  damping: number,
): { upper: Float64Array; dead: number[]; damping: number } | undefined {
  const alive = Float64Array.from(hessian), dead: number[] = [];
  for (let j = 0; j < n; j++) {
    dead.push(Number(alive[j * n + j] === 0));
    if (dead[j]) alive[j * n + j] = 1; // not NaN, which is falsy too
  }
  let mean = 0;
  for (let j = 0; j < n; j++) mean += alive[j * n + j] / n;
  for (let attempt = 0; attempt <= (damping > 0 ? RAISES : 0); attempt++) {
    const tried = damping * 10 ** attempt, damped = alive.slice();
    for (let j = 0; j < n; j++) damped[j * n + j] += tried * mean;
    const upper = upperFactor(damped, n);
    if (upper) return { upper, dead, damping: tried };
  }
}

/** Linear systems on their way, row by row: see `Descent`. */
export interface Descent {
  readonly x: Float64Array;
  readonly r: Float64Array;
  readonly p: Float64Array;
}

/** What `Backend.conjugate` computes in a row. */
export function conjugate({ x, r, p }: Descent, q: Float64Array): Descent {
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, j) => sum + value * b[j], 0);
  const over = (a: number, b: number) => b > 0 ? a / b : 0;
  const before = dot(r, r), alpha = over(before, dot(p, q)), residual = r.map((value, j) => value - alpha * q[j]);
  const beta = over(dot(residual, residual), before);
  return {
    x: x.map((value, j) => value + alpha * p[j]),
    r: residual,
    p: residual.map((value, j) => value + beta * p[j]),
  };
}

/** A weight (rows x n) on its way through an elimination. */
export interface Elimination {
  readonly weight: Float64Array;
  readonly rows: number;
  readonly upper: ArrayLike<number>;
  readonly dead: ArrayLike<number>;
  readonly block: number;
  /** Which of columns `first ...` go, asked before a block of columns: row-major over `width` columns. */
  readonly before?: (weight: Float64Array, first: number, width: number) => readonly number[];
  /** n:m instead: which of the `m` columns from `first` on go in a row, asked when they are reached. */
  readonly groups?: {
    readonly m: number;
    readonly falls: (weight: Float64Array, row: number, first: number) => number[];
  };
}

/** What `Backend.eliminate` computes, in place; gives 1 for every weight that it removed. */
export function eliminate({ weight: w, rows, upper, dead, block, before, groups }: Elimination): Uint8Array {
  const n = w.length / rows, width = groups ? Math.ceil(block / groups.m) * groups.m : block;
  const removed = new Uint8Array(w.length);
  for (let j = 0; j < n; j++) if (dead[j]) { for (let i = 0; i < rows; i++) w[i * n + j] = 0; }
  for (let first = 0; first < n; first += width) {
    const some = Math.min(width, n - first);
    for (const at of before?.(w, first, some) ?? []) removed[Math.floor(at / some) * n + first + at % some] = 1;
    for (let j = first; j < first + some; j++) {
      for (let i = 0; i < rows; i++) {
        if (groups && j % groups.m === 0) { for (const k of groups.falls(w, i, j)) removed[i * n + j + k] = 1; }
        if (!removed[i * n + j]) continue;
        const error = w[i * n + j] / upper[j * n + j];
        for (let k = j; k < n; k++) w[i * n + k] -= error * upper[j * n + k];
        w[i * n + j] = 0;
      }
    }
  }
  return removed;
}
