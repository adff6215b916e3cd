/** The backward pass in plain f64: every gradient as the formula in its operation's doc comment. */
import type { AttentionOptions, MapFunction, NormOptions } from "../../src/backend/backend.ts";
import { mapped, normalTail } from "./functions.ts";

/** Numbers of a matrix, row-major. */
type Numbers = Float32Array | Float64Array;

/** The derivative of what `Backend.map` makes of a number. */
export function slope(x: number, fn: MapFunction): number {
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  switch (fn.kind) {
    case "silu":
      return sigmoid(x) * (1 + x * sigmoid(-x));
    case "gelu": {
      const share = x < 0 ? normalTail(-x) : 1 - normalTail(x), density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
      return share + (density === 0 ? 0 : x * density);
    }
    case "gelu_tanh": {
      const root = 2 * Math.sqrt(2 / Math.PI), z = root * (x + 0.044715 * x ** 3), both = sigmoid(z) * sigmoid(-z);
      return sigmoid(z) + (both === 0 ? 0 : x * both * root * (1 + 3 * 0.044715 * x * x));
    }
    case "relu":
      return x > 0 ? 1 : 0;
    case "scale":
      return fn.factor;
    case "soft_cap":
      return 1 - Math.tanh(x / fn.cap) ** 2;
  }
}

/** `a b`, a rows x depth, b depth x cols. */
export function product(a: Numbers, b: Numbers, depth: number, cols: number): Float64Array {
  const out = new Float64Array(a.length / depth * cols);
  for (let i = 0; i < a.length / depth; i++) {
    for (let k = 0; k < depth; k++) {
      const factor = a[i * depth + k];
      for (let j = 0; j < cols; j++) out[i * cols + j] += factor * b[k * cols + j];
    }
  }
  return out;
}

/** A matrix of so many columns, turned over. */
export function transposed(a: Numbers, cols: number): Float64Array {
  const rows = a.length / cols;
  return Float64Array.from(a, (_, at) => a[at % rows * cols + Math.floor(at / rows)]);
}

/** Gradients of a norm by its input, its gain (rows x n) and its bias; x has `cols` columns. */
export function norm(
  x: Numbers,
  gain: Numbers,
  dy: Numbers,
  { cols, n, kind, epsilon, unitOffset }: NormOptions & { readonly cols: number; readonly n: number },
) {
  const dx = new Float64Array(x.length), byGain = new Float64Array(gain.length), byBias = byGain.slice();
  for (let start = 0; start < x.length; start += n) {
    const at = start % cols / n % (gain.length / n) * n;
    const run = Float64Array.from(x.subarray(start, start + n));
    const mean = kind === "layer" ? run.reduce((sum, value) => sum + value) / n : 0;
    const s = 1 / Math.sqrt(run.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n + epsilon);
    const normed = run.map((value) => (value - mean) * s);
    const d = run.map((_, j) => dy[start + j] * (gain[at + j] + (unitOffset ? 1 : 0)));
    const middle = kind === "layer" ? d.reduce((sum, value) => sum + value) / n : 0;
    const along = d.reduce((sum, value, j) => sum + value * normed[j], 0) / n;
    d.forEach((value, j) => {
      dx[start + j] = s * (value - middle - normed[j] * along);
      byGain[at + j] += dy[start + j] * normed[j];
      byBias[at + j] += dy[start + j];
    });
  }
  return { dx, byGain, byBias };
}

/** Gradients of attention by q, k and v. */
export function attention(
  q: Numbers,
  k: Numbers,
  v: Numbers,
  dy: Numbers,
  { offsets, heads, kvHeads, scale, window = Infinity, softCap, slopes }: AttentionOptions,
): [Float64Array, Float64Array, Float64Array] {
  const tokens = offsets[offsets.length - 1], cols = q.length / tokens, d = cols / heads, kvCols = d * kvHeads;
  const dq = new Float64Array(q.length), dk = new Float64Array(k.length), dv = new Float64Array(v.length);
  const dot = (a: Numbers, at: number, b: Numbers, from: number): number => {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += a[at + j] * b[from + j];
    return sum;
  };
  for (let t = 0, sequence = 0; t < tokens; t++) {
    if (t === offsets[sequence + 1]) sequence++;
    const first = Math.max(offsets[sequence], t - window + 1);
    for (let h = 0; h < heads; h++) {
      const at = t * cols + h * d, kv = Math.floor(h / (heads / kvHeads)) * d;
      const rows = Array.from({ length: t - first + 1 }, (_, i) => (first + i) * kvCols + kv);
      const caps = rows.map((row) => softCap ? Math.tanh(scale * dot(q, at, k, row) / softCap) : 0);
      const scores = rows.map((row, i) =>
        (softCap ? softCap * caps[i] : scale * dot(q, at, k, row)) + (slopes ? slopes[h] * (first + i - t) : 0)
      );
      const largest = scores.reduce((a, b) => Math.max(a, b)),
        powers = scores.map((score) => Math.exp(score - largest));
      const sum = powers.reduce((a, b) => a + b), p = powers.map((power) => power / sum);
      const e = rows.map((row) => dot(dy, at, v, row)), mean = p.reduce((sum, share, i) => sum + share * e[i], 0);
      rows.forEach((row, i) => {
        const s = scale * p[i] * (e[i] - mean) * (1 - caps[i] ** 2);
        for (let j = 0; j < d; j++) {
          dq[at + j] += s * k[row + j];
          dk[row + j] += s * q[at + j];
          dv[row + j] += p[i] * dy[at + j];
        }
      });
    }
  }
  return [dq, dk, dv];
}

/** Gradients of a weighted cross entropy by a slice of its logits, from the state of all. */
export function crossEntropy(
  state: Numbers,
  logits: Numbers,
  outputs: number,
  firstRow: number,
  targets: Uint32Array,
  weights: Float32Array,
  softCap?: number,
): Float64Array {
  const cap = softCap && { kind: "soft_cap", cap: softCap } as const;
  return Float64Array.from(logits, (logit, at) => {
    const t = Math.floor(at / outputs), [largest, sum] = state.subarray(3 * t);
    const share = Math.exp((cap ? mapped(logit, cap) : logit) - largest) / sum;
    const hit = targets[t] - firstRow === at % outputs ? 1 : 0;
    return weights[t] * (share - hit) * (cap ? slope(logit, cap) : 1);
  });
}
