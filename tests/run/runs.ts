/** Runs to fill a registry with: plausible, small, and different where a test must tell them apart. */
import type { CurvePoint, DocumentRecord, LinearRecord, Manifest, TaskRecord } from "../../src/run/record.ts";

/** What a test may choose. */
export interface Choice {
  readonly planId?: string;
  readonly model?: string;
  readonly method?: string;
  readonly pattern?: string;
}

/** A manifest. */
export function manifest(choice: Choice = {}): Manifest {
  const { planId = "00000000000000aa", model = "tiny", method = "wanda", pattern } = choice;
  return {
    planId,
    plan: {
      kind: "prune",
      pare: "0.1.0",
      model: { name: model, sha256: "ab".repeat(32) },
      backend: "wasm",
      request: { method, sparsity: 0.5, ...pattern && { pattern } },
    },
    args: ["--model", model],
    directory: "/work",
    inputs: [],
    kernels: {},
    environment: { deno: "2", v8: "15", os: "linux", arch: "x86_64" },
    backend: "wasm with 2 workers",
  };
}

/** What became of a linear of a real model's size: its plots are as large as they get. */
export function linear(name: string, block = 0): LinearRecord {
  return {
    name,
    block,
    rows: 576,
    cols: 1536,
    zeros: 442368,
    sparsity: 0.5,
    outputError: 0.0123,
    outputErrorFrom: "diagonal",
    seconds: 0.25,
    maskSha256: "cd".repeat(32),
    weightSha256: "ef".repeat(32),
    magnitudes: { max: 1.5, counts: Array.from({ length: 128 }, (_, bin) => bin * 37) },
    scores: { max: 9, counts: Array.from({ length: 128 }, (_, bin) => bin * 41), threshold: 2.5 },
    density: { rows: 64, cols: 64, cells: btoa("\x80".repeat(4096)) },
  };
}

/**
 * A benchmark of two choices, of which a model got these documents right (1) or wrong (0) by `acc`, and all wrong by
 * `acc_norm`.
 */
export function task(name: string, acc: readonly number[]): { record: TaskRecord; documents: DocumentRecord[] } {
  const value = acc.reduce((a, b) => a + b) / acc.length;
  return {
    record: {
      label: "pruned",
      name,
      version: 1,
      shots: 0,
      documents: acc.length,
      total: 10,
      figures: {
        acc: { value, error: Math.sqrt(value * (1 - value) / (acc.length - 1)) },
        acc_norm: { value: 0, error: 0 },
      },
      chance: 0.5,
      data: ["12".repeat(32)],
      sparsity: 0.5,
    },
    documents: acc.map((right, at) => ({
      answers: [{ logLikelihood: -at - 0.1, greedy: false }, {
        logLikelihood: 2 * right - at - 3,
        greedy: right === 1,
      }],
      scores: { acc: right, acc_norm: 0 },
    })),
  };
}

/** A training of some steps, evaluated before, after every second and at the end. */
export function curve(steps: number): CurvePoint[] {
  const evaluated = Array.from({ length: steps + 1 }, (_, step) => step).filter((step) =>
    step % 2 === 0 || step === steps
  );
  return [
    ...Array.from({ length: steps }, (_, i): CurvePoint => {
      return { kind: "step", step: i + 1, loss: 3.5 - i / 8, rate: 1e-4 / (i + 1), norm: 2, seconds: 30 * (i + 1) };
    }),
    ...evaluated.map((step): CurvePoint => {
      return { kind: "evaluation", step, perplexity: 30 - step, seconds: 30 * step + 6 };
    }),
  ];
}
