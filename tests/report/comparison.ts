/** A comparison that the tests of its renderings share, with names that must be quoted. */
import { type Comparison, samplePoint } from "../../src/report/results.ts";

/** Two methods at two shares and a pattern. */
export const COMPARISON: Comparison = {
  model: "models/tiny",
  evaluation: { description: 'a "book", cut', sequences: 16, seqlen: 256, sha256: "ab".repeat(32) },
  calibration: { description: "sample", sequences: 8, seqlen: 128, sha256: "cd".repeat(32) },
  rows: [
    { method: "dense", asked: "", sparsity: 0.0003, perplexity: 16.934 },
    {
      method: "magnitude",
      asked: "0.5",
      sparsity: 0.5002,
      perplexity: 28.349,
      metricSeconds: 0.014,
      seconds: 0.04,
      peakBytes: 242e6,
    },
    {
      method: "wanda",
      asked: "0.5",
      sparsity: 0.5,
      perplexity: 27.99,
      metricSeconds: 1.005,
      seconds: 20.44,
      peakBytes: 252e6,
    },
    {
      method: "magnitude",
      asked: "0.6",
      sparsity: 0.6,
      perplexity: 50.18,
      metricSeconds: 0.01,
      seconds: 0.04,
      peakBytes: 257e6,
    },
    {
      method: "wanda",
      asked: "0.6",
      sparsity: 0.6,
      perplexity: 47.43,
      metricSeconds: 1,
      seconds: 20,
      peakBytes: 257e6,
    },
    {
      method: "wanda",
      asked: "2:4",
      sparsity: 0.5,
      perplexity: 52.38,
      metricSeconds: 1,
      seconds: 20,
      peakBytes: 257e6,
    },
  ],
  samples: {
    asked: "0.5",
    seeds: [0, 1, 2],
    points: [samplePoint("wanda", 2, [28, 29, 33]), samplePoint("wanda", 8, [27, 27, 27])],
  },
};
