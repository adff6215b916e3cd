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
