/** Austen-700K against the published code, on every backend: the comparison that anyone can run. */
import { SHARED } from "./shared.ts";
import { goldenSuite, MOST_IN_PART } from "./suite.ts";

const root = new URL("..", import.meta.url).pathname;

goldenSuite({
  name: "Austen-700K",
  model: `${root}fixtures/models/Austen-700K`,
  golden: `${root}golden/Austen-700K`,
  // No mask bit differs, of any pattern: nothing but the order of sums is left.
  updated: { bits: 1e-4, perplexity: 1e-4 },
  // On all blocks the gate alone asks for 4:8, the same way as 2:4; everywhere for the second block, which sees the first one's.
  cut: { ...!SHARED && { wasm: { endToEnd: (run) => run.endsWith("4_8") ? 2 : Infinity } }, webgpu: MOST_IN_PART },
  // Half a per cent was hoped for. At 2:4 a network that differs in the eleventh bit of its weights moves 0.504 % of the
  // mask bits, whoever computes it: the f64 reference does as well.
  rounded: {
    "sparsegpt-0.5": { bits: 5e-3, perplexity: 5e-3 },
    "sparsegpt-2_4": { bits: 6e-3, perplexity: 5e-3 },
    "sparsegpt-4_8": { bits: 5e-3, perplexity: 5e-3 },
  },
});
