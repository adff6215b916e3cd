/** Austen-700K against the published code, on every backend: the comparison that anyone can run. */
import { goldenSuite } from "./suite.ts";

const root = new URL("..", import.meta.url).pathname;
/** Runs that are repeated on all blocks wherever they are; a software driver takes seconds for each block of each run. */
const WHOLE = ["magnitude-0.5", "sparsegpt-0.5", "wanda-0.5"];

goldenSuite({
  name: "Austen-700K",
  model: `${root}fixtures/models/Austen-700K`,
  golden: `${root}golden/Austen-700K`,
  // No mask bit differs, of any pattern: nothing but the order of sums is left.
  updated: { bits: 1e-4, perplexity: 1e-4 },
  cut: { webgpu: { endToEnd: (run) => WHOLE.includes(run) ? Infinity : 2 } },
  // Half a per cent was hoped for. At 2:4 a network that differs in the eleventh bit of its weights moves 0.504 % of the
  // mask bits, whoever computes it: the f64 reference does as well.
  rounded: {
    "sparsegpt-0.5": { bits: 5e-3, perplexity: 5e-3 },
    "sparsegpt-2_4": { bits: 6e-3, perplexity: 5e-3 },
    "sparsegpt-4_8": { bits: 5e-3, perplexity: 5e-3 },
  },
});
