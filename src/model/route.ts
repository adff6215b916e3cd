/** Which tokens go to which experts. Some thousand numbers a batch, so the main thread does it between two reads. */
import type { Experts } from "./spec.ts";

/** What one expert gets. */
export interface Route {
  /** Rows of the batch, ascending. */
  readonly tokens: Uint32Array<ArrayBuffer>;
  /** By how much its result counts for each of them. */
  readonly weights: Float32Array<ArrayBuffer>;
}

/**
 * Routes tokens by their router logits (tokens x experts): the softmax over all experts, and of that the `chosen` largest, ties
 * to the lower expert; made to sum to 1 if `normalized`.
 */
export function route(
  logits: Float32Array,
  { experts, chosen, normalized }: Pick<Experts, "experts" | "chosen" | "normalized">,
): Route[] {
  const count = experts.length, tokens: number[][] = experts.map(() => []), weights: number[][] = experts.map(() => []);
  for (let token = 0; token < logits.length / count; token++) {
    const row = logits.subarray(token * count, (token + 1) * count);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const powers = Array.from(row, (logit) => Math.exp(logit - largest));
    const order = [...row.keys()].sort((a, b) => row[b] - row[a] || a - b).slice(0, chosen);
    const sum = (normalized ? order.map((expert) => powers[expert]) : powers).reduce((a, b) => a + b);
    for (const expert of order) {
      tokens[expert].push(token);
      weights[expert].push(powers[expert] / sum);
    }
  }
  return experts.map((_, expert) => ({
    tokens: Uint32Array.from(tokens[expert]),
    weights: Float32Array.from(weights[expert]),
  }));
}

/** What a loss has to do with the weights that one expert counts by. */
export interface RouteShare {
  /** Its number. */
  readonly expert: number;
  /** As in its {@linkcode Route}. */
  readonly tokens: Uint32Array;
  /** By the weight of each of them. */
  readonly gradient: Float32Array;
}

/**
 * The gradient of a loss by the router logits, tokens x experts. With the softmax s of all experts, or of those that a token
 * takes if `normalized`, and g by a weight, 0 of others: `s (g - Σ s g)`. Which experts a token takes is held fixed.
 */
export function routeGradient(
  logits: Float32Array,
  { experts, normalized }: Pick<Experts, "experts" | "normalized">,
  shares: readonly RouteShare[],
): Float32Array<ArrayBuffer> {
  const count = experts.length, gradient = new Float64Array(logits.length), taken = new Uint8Array(logits.length);
  for (const { expert, tokens, gradient: own } of shares) {
    tokens.forEach((token, i) => {
      gradient[token * count + expert] = own[i];
      taken[token * count + expert] = 1;
    });
  }
  const out = new Float32Array(logits.length);
  for (let first = 0; first < logits.length; first += count) {
    const row = logits.subarray(first, first + count), largest = row.reduce((a, b) => Math.max(a, b));
    const powers = Array.from(row, (logit, j) => normalized && !taken[first + j] ? 0 : Math.exp(logit - largest));
    const sum = powers.reduce((a, b) => a + b), shares = powers.map((power) => power / sum);
    const mean = shares.reduce((mean, share, j) => mean + share * gradient[first + j], 0);
    shares.forEach((share, j) => out[first + j] = share * (gradient[first + j] - mean));
  }
  return out;
}
