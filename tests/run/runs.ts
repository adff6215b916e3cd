/** Runs to fill a registry with: plausible, small, and different where a test must tell them apart. */
import type { LinearRecord, Manifest } from "../../src/run/record.ts";

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
