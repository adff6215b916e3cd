/**
 * What a run leaves behind, as plain data: the plan that it carries out, the manifest of everything that went in, and the
 * results. The registry keeps it, `verify` repeats it, the server shows it; none of them computes.
 */

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The commands that leave a run. */
export type RunKind = "prune" | "eval" | "compare";

/** Token ids by what they are and the SHA-256 of their bytes (little-endian 32-bit). */
export interface Corpus {
  /** As a person would name it. */
  readonly description: string;
  /** Sequences or windows. */
  readonly sequences: number;
  /** Tokens of each. */
  readonly seqlen: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * What a run will do. Two plans with the same content have the same id, on any machine; what may differ between two runs of
 * one plan (where files stand, the number of workers, the time) is not in it.
 */
export interface Plan {
  /** The command. */
  readonly kind: RunKind;
  /** Pare's version. */
  readonly pare: string;
  /** Its name, and the SHA-256 over those of its files. */
  readonly model: { readonly name: string; readonly sha256: string };
  /** What computes. */
  readonly backend: "webgpu" | "wasm";
  /** Everything that was asked, defaults resolved: method, sparsity, pattern, seed and so on. */
  readonly request: { readonly [key: string]: Json };
  /** What inputs are measured on. */
  readonly calibration?: Corpus;
  /** What perplexity is measured on. */
  readonly evaluation?: Corpus;
}

/** A file that went in. */
export interface InputFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Everything that a repetition needs, and what it ran on. It travels as a file with the pruned model. */
export interface Manifest {
  /** The plan's id: the first 16 hexadecimal digits of the SHA-256 of its canonical JSON. */
  readonly planId: string;
  readonly plan: Plan;
  /** The command line's arguments, exactly. */
  readonly args: readonly string[];
  /** Every file that was read. */
  readonly inputs: readonly InputFile[];
  /** SHA-256 of Pare's kernels: the WebAssembly modules and the shaders, by name. */
  readonly kernels: { readonly [name: string]: string };
  /** Deno's, V8's and the system's versions. */
  readonly environment: { readonly deno: string; readonly v8: string; readonly os: string; readonly arch: string };
  /** What the backend says of itself: adapter and driver, or workers and SIMD level. */
  readonly backend: string;
}

/** 128 counts of equal width from 0 to `max`. */
export interface Histogram {
  readonly max: number;
  readonly counts: readonly number[];
  /** Where the method drew the line, if it drew one for the whole linear. */
  readonly threshold?: number;
}

/** The share of removed weights in each cell of at most 64 x 64: bytes, 255 = all. */
export interface DensityMap {
  readonly rows: number;
  readonly cols: number;
  /** `rows * cols` bytes, base64. */
  readonly cells: string;
}

/** What became of one linear. */
export interface LinearRecord {
  /** Its full name. */
  readonly name: string;
  /** The block it stands in. */
  readonly block: number;
  readonly rows: number;
  readonly cols: number;
  readonly zeros: number;
  readonly sparsity: number;
  /** Relative output error, from the Hessian or estimated from its diagonal. */
  readonly outputError?: number;
  readonly outputErrorFrom?: "hessian" | "diagonal";
  readonly seconds: number;
  readonly damping?: number;
  /** SHA-256 of the mask (a bit for each weight, row-major, 1 = kept, in bytes from the lowest bit up) and of the weight's bytes. */
  readonly maskSha256: string;
  readonly weightSha256: string;
  /** Of |W| before pruning. */
  readonly magnitudes: Histogram;
  /** Of the method's score before pruning, where it is one number for each weight. */
  readonly scores?: Histogram;
  readonly density: DensityMap;
}

/** A perplexity, beside what it means nothing without. */
export interface PerplexityRecord {
  /** Whose: `dense`, `pruned`, or a method's label in a comparison. */
  readonly label: string;
  readonly perplexity: number;
  readonly evaluation: Corpus;
}

/** Where a run stands. */
export type RunStatus = "running" | "finished" | "failed" | "interrupted";

/** How far a live run has come. */
export interface RunProgress {
  readonly phase: string;
  readonly block: number;
  readonly blocks: number;
  /** Tokens done and in all. */
  readonly done: number;
  readonly total: number;
}

/** A run without its linears. */
export interface RunRecord {
  /** The plan's id, with `-2`, `-3` … behind it where the same plan was run again. */
  readonly id: string;
  readonly status: RunStatus;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly manifest: Manifest;
  /** Where the pruned model went. */
  readonly out?: string;
  readonly perplexities: readonly PerplexityRecord[];
  /** Seconds of each phase by name. */
  readonly phases: { readonly [phase: string]: number };
  readonly peakBytes?: number;
  /** The error of a run that failed. */
  readonly error?: string;
  readonly progress?: RunProgress;
}
