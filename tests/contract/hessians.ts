/**
 * Hessians that are known: symmetric matrices of given eigenvalues in a random basis, and the factor of their inverse in
 * f64. It is found by another way than the published three steps: `H = R Rᵀ` with R upper triangular, from the last
 * column to the first, and `U = R⁻¹`.
 */
import { gamma, UNIT } from "./bounds.ts";
import { generator, type Matrix, matrix, NORMAL } from "./matrices.ts";
import { remembered } from "./remembered.ts";

/** n eigenvalues from 1 down to `1 / condition`, evenly spaced by their logarithms. */
export const decades = remembered((n: number, condition: number): number[] =>
  Array.from({ length: n }, (_, i) => condition ** (n === 1 ? 0 : -i / (n - 1)))
);

/** The symmetric matrix of these eigenvalues in a random basis (n reflections; Householder), rounded to F32. */
export const hessian = remembered((seed: number, eigenvalues: readonly number[]): Matrix => {
  const n = eigenvalues.length, random = generator(seed), a = new Float64Array(n * n);
  eigenvalues.forEach((value, i) => a[i * n + i] = value);
  for (let reflection = 0; reflection < n && n > 1; reflection++) {
    const v = Float64Array.from({ length: n }, () => NORMAL(random)), norm = Math.hypot(...v);
    v.forEach((value, i) => v[i] = value / norm);
    // (I - 2 v vᵀ) A (I - 2 v vᵀ) = A - 2 (v pᵀ + p vᵀ) with p = A v - (vᵀ A v) v.
    const p = v.map((_, i) => v.reduce((sum, value, j) => sum + a[i * n + j] * value, 0));
    const middle = v.reduce((sum, value, i) => sum + value * p[i], 0);
    p.forEach((value, i) => p[i] = value - middle * v[i]);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) a[i * n + j] -= 2 * (v[i] * p[j] + p[i] * v[j]);
  }
  return matrix(n, n, "F32", a.map((_, at) => (a[at] + a[at % n * n + Math.floor(at / n)]) / 2));
});

/** n eigenvalues: ones, but for one. */
export const onesAnd = remembered((n: number, one: number): number[] => [...Array(n - 1).fill(1), one]);

/** What an inverse is taken of: a zero on the diagonal made 1, and the share of the mean added. */
export const damped = remembered(({ values, cols: n }: Matrix, damping: number): Float64Array => {
  const h = values.slice();
  let mean = 0;
  for (let j = 0; j < n; j++) mean += (h[j * n + j] ||= 1) / n;
  for (let j = 0; j < n; j++) h[j * n + j] += damping * mean;
  return h;
});

/** U in f64, see the file's head. */
export const factor = remembered((h: Float64Array, n: number): Float64Array => {
  const r = new Float64Array(n * n), u = new Float64Array(n * n);
  for (let j = n - 1; j >= 0; j--) {
    for (let i = j; i >= 0; i--) {
      let sum = h[i * n + j];
      for (let k = j + 1; k < n; k++) sum -= r[i * n + k] * r[j * n + k];
      r[i * n + j] = i === j ? Math.sqrt(sum) : sum / r[j * n + j];
    }
  }
  for (let j = 0; j < n; j++) {
    for (let i = j; i >= 0; i--) {
      let sum = i === j ? 1 : 0;
      for (let k = i + 1; k <= j; k++) sum -= r[i * n + k] * u[k * n + j];
      u[i * n + j] = sum / r[i * n + i];
    }
  }
  return u;
});

/** The most that U may be off in all, at any condition up to 1e6: the project's own target. */
const MOST = 1e-4;

/**
 * How far U may be off, in the Frobenius norm and relative: of an f32 Cholesky factorisation and inverse it is
 * gamma(3n + 1) times the condition at worst (Higham, theorem 10.4), and about the square root of that count for
 * roundings that do not conspire (section 2.8).
 */
export const factorError = (n: number, condition: number): number =>
  Math.min(MOST, Math.sqrt(3 * n + 1) * UNIT * condition);

/** The same for what is solved with it, at worst. */
export const solveError = (n: number, condition: number): number => gamma(3 * n + 1) * condition;

/** The Frobenius norm. */
export const norm = (numbers: ArrayLike<number>): number => Math.sqrt(dot(numbers, numbers));

/** The sum of products. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
