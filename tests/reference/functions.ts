/** The functions of one number in f64. */
import type { MapFunction } from "../../src/backend/backend.ts";

/**
 * `Φ(-a)` of the normal distribution, a >= 0, to some 1e-14 relative: the series of erf (Abramowitz and Stegun, 7.1.5) or,
 * where that is slow and cancels, the continued fraction of Mills' ratio (26.2.14).
 */
export function normalTail(a: number): number {
  const root = Math.sqrt(2 * Math.PI);
  if (a > 2.5) {
    let fraction = a;
    for (let k = 200; k > 0; k--) fraction = a + k / fraction;
    return Math.exp(-a * a / 2) / root / fraction;
  }
  let term = a, sum = a;
  for (let k = 1; k < 60; k++) {
    term *= -a * a / (2 * k);
    sum += term / (2 * k + 1);
  }
  return 0.5 - sum / root;
}

/** What `Backend.map` makes of a number. */
export function mapped(x: number, fn: MapFunction): number {
  switch (fn.kind) {
    case "silu":
      return x / (1 + Math.exp(-x));
    case "gelu":
      return x < 0 ? x * normalTail(-x) : x - x * normalTail(x);
    case "gelu_tanh": // x / 2 (1 + tanh(u)) without its cancellation
      return x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    case "relu":
      return Math.max(x, 0);
    case "scale":
      return fn.factor * x;
    case "soft_cap":
      return fn.cap * Math.tanh(x / fn.cap);
  }
}
