/** SparseGPT's solve in plain TypeScript and f64: Cholesky, triangular inverse and the column loop as the paper has them. */
import type { Formula, Tensor } from "../../src/backend/backend.ts";
import type { Choice, EliminationFormula, InverseFactor, Solver } from "../../src/backend/solve.ts";
import { type Bits, Matrix, ReferenceBackend, smallest, values } from "./backend.ts";
import { fromFloats, toFloats } from "./floats.ts";

/** How often the damping is raised tenfold. */
const RAISES = 3;

class Factor implements InverseFactor {
  #owner: ReferenceSolver;
  #alive = true;
  constructor(
    owner: ReferenceSolver,
    readonly size: number,
    readonly damping: number,
    readonly deadColumns: readonly number[],
    /** Row-major, zeros below the diagonal. */
    readonly upper: Float64Array,
  ) {
    this.#owner = owner;
    owner.live++;
  }
  get dead(): number {
    return this.deadColumns.length;
  }
  [Symbol.dispose](): void {
    if (this.#alive) this.#owner.live--;
    this.#alive = false;
  }
}

/** The lower triangular L with `matrix = L Lᵀ`; undefined if a pivot is not positive. */
export function cholesky(matrix: Float64Array, n: number): Float64Array | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      if (i === j && !(sum > 0)) return undefined;
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j];
    }
  }
  return lower;
}

/** The inverse of a lower triangular matrix. */
export function invertLower(lower: Float64Array, n: number): Float64Array {
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

/** See the file's head. */
export class ReferenceSolver extends ReferenceBackend implements Solver {
  addGram(gram: Tensor, x: Tensor): void {
    const a = values(x), g = values(gram), n = x.cols;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let sum = g[i * n + j];
        for (let t = 0; t < x.rows; t++) sum += a[t * n + i] * a[t * n + j];
        g[i * n + j] = sum;
      }
    }
  }

  inverseFactor(gram: Tensor, scale: number, damping: number): Promise<InverseFactor | undefined> {
    const n = gram.cols, hessian = Float64Array.from(values(gram), (value) => scale * value), dead: number[] = [];
    for (let j = 0; j < n; j++) {
      if (hessian[j * n + j] !== 0) continue;
      hessian[j * n + j] = 1;
      dead.push(j);
    }
    let mean = 0;
    for (let j = 0; j < n; j++) mean += hessian[j * n + j] / n;
    for (let attempt = 0; attempt <= RAISES; attempt++) {
      const tried = damping * 10 ** attempt, damped = hessian.slice();
      for (let j = 0; j < n; j++) damped[j * n + j] += tried * mean;
      const factor = this.#factor(damped, n);
      if (factor) return Promise.resolve(new Factor(this, n, tried, dead, factor));
    }
    return Promise.resolve(undefined);
  }

  /** The published three steps: Cholesky, inverse, and Cholesky of the inverse (the upper one). */
  #factor(hessian: Float64Array, n: number): Float64Array | undefined {
    const lower = cholesky(hessian, n);
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

  eliminate(weight: Tensor, factor: InverseFactor, choice: Choice, block: number): void {
    const w = Float64Array.from(values(weight)), { upper, deadColumns } = factor as Factor;
    const { rows, cols: n } = weight, removed = new Uint8Array(rows * n);
    for (const j of deadColumns) for (let i = 0; i < rows; i++) w[i * n + j] = 0;
    const score = (i: number, j: number, formula: EliminationFormula): number => {
      if (formula.kind === "curvature") return w[i * n + j] ** 2 / upper[j * n + j] ** 2;
      return scored(w[i * n + j], j, formula);
    };
    if (choice.kind === "mask") {
      const mask = choice.mask as Bits;
      for (let i = 0; i < rows; i++) for (let j = 0; j < n; j++) removed[i * n + j] = Number(mask.removes(i, j));
    }
    for (let first = 0; first < n; first += block) {
      const width = Math.min(block, n - first);
      if (choice.kind === "threshold") {
        const scores = Array.from(
          { length: rows * width },
          (_, at) => score(Math.floor(at / width), first + at % width, choice.formula),
        );
        for (const at of smallest(scores, choice.sparsity, "threshold")) {
          removed[Math.floor(at / width) * n + first + at % width] = 1;
        }
      }
      for (let j = first; j < first + width; j++) {
        for (let i = 0; i < rows; i++) {
          if (choice.kind === "groups" && j % choice.m === 0) {
            const group = Array.from({ length: choice.m }, (_, k) => score(i, j + k, choice.formula));
            const order = group.map((_, k) => k).sort((a, b) => group[a] - group[b] || a - b);
            for (const k of order.slice(0, choice.m - choice.n)) removed[i * n + j + k] = 1;
          }
          if (!removed[i * n + j]) continue;
          const error = w[i * n + j] / upper[j * n + j];
          for (let k = j; k < n; k++) w[i * n + k] -= error * upper[j * n + k];
          w[i * n + j] = 0;
        }
      }
    }
    values(weight).set(w);
  }

  convert(tensor: Tensor, dtype: Tensor["dtype"]): Tensor {
    return new Matrix(this, tensor.rows, tensor.cols, dtype, toFloats(fromFloats(values(tensor), dtype), dtype));
  }
}

function scored(weight: number, column: number, formula: Formula): number {
  if (formula.kind === "magnitude") return Math.abs(weight);
  return Math.abs(weight) * Math.sqrt(values(formula.statistic)[column]);
}
