/** A comparison that the tests of its renderings share, with names that must be quoted. */
import { type Comparison, type Row, samplePoint } from "../../src/report/results.ts";
import type { Result } from "../../src/task/results.ts";

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
      cpuSeconds: 0.07,
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

/** Two tasks of which one has no `acc_norm`, their mean, and a group that counts by the document with its part. */
const results = (acc: readonly [number, number, number]): readonly Result[] => {
  const figure = (value: number, error: number) => ({ value, error });
  const [boolq, piqa, anatomy] = acc;
  return [
    {
      ...{ name: "boolq", version: 2, shots: 0, documents: 40, total: 3270, chance: 0.5 },
      figures: { acc: figure(boolq, 0.08) },
    },
    {
      ...{ name: "piqa", version: 1, shots: 0, documents: 9, total: 9, chance: 0.5 },
      figures: { acc: figure(piqa, 0.06), acc_norm: figure(piqa / 2, 0.07) },
    },
    {
      ...{ name: "mmlu_anatomy", version: 1, shots: 0, documents: 9, total: 9, chance: 0.25 },
      figures: { acc: figure(anatomy, 0.01) },
    },
    {
      ...{ name: "mean", version: 1, shots: 0, documents: 49, total: 3279, chance: 0.5 },
      figures: { acc: figure((boolq + piqa) / 2, 0.05) },
      group: { tasks: ["boolq", "piqa"], by: "task" },
    },
    {
      ...{ name: "mmlu", version: 2, shots: 0, documents: 9, total: 9, chance: 0.25 },
      figures: { acc: figure(anatomy, 0.01) },
      group: { tasks: ["mmlu_anatomy"], by: "document" },
    },
  ];
};

const answered = (method: string, asked: string, acc: readonly [number, number, number]): Row => ({
  ...{ method, asked, sparsity: asked ? 0.5 : 0 },
  results: results(acc),
  ...asked && { toDense: { value: (acc[0] + acc[1]) / 2 - 0.7, error: 0.02 } },
});

/** The same methods judged by benchmarks, and by nothing else. */
export const BENCHMARKS: Comparison = {
  model: "models/tiny",
  data: [{ name: "boolq.parquet", sha256: "ef".repeat(32) }],
  rows: [
    answered("dense", "", [0.75, 0.65, 0.3]),
    answered("magnitude", "0.5", [0.5, 0.6, 0.25]),
    answered("wanda", "0.5", [0.6, 0.6, 0.25]),
    answered("wanda", "2:4", [0.55, 0.5, 0.25]),
  ],
};
