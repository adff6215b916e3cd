/**
 * What a run leaves behind, as plain data: the plan that it carries out, the manifest of everything that went in, and the
 * results. The registry keeps it, `verify` repeats it, the server shows it; none of them computes.
 */

import type { HubSet } from "../task/task.ts";
import type { Answer, Result, Scores } from "../task/results.ts";
import type { RunLabels } from "./labels.ts";

export type { Figure } from "../task/results.ts";
export { type Metric, METRICS } from "../task/task.ts";

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The commands that leave a run. */
export type RunKind = "prune" | "finetune" | "eval" | "compare" | "generate" | "bench";

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
  /** How a text that is evaluated on was put together, where it comes in parts. */
  readonly protocol?: string;
}

/**
 * A benchmark as it is asked. The first documents of a set are the same however many are asked, so two results of one task,
 * version, number of examples and data compare document by document.
 */
export interface Benchmark extends Pick<Result, "name" | "version" | "documents" | "total"> {
  /** Examples before each document. */
  readonly shots: number;
  /** SHA-256 of the files that were read: that of the documents, and of the examples if they are of another one. */
  readonly data: readonly string[];
  /** Where the documents are on the Hub. */
  readonly set?: HubSet;
}

/** What the bytes of a run depend on besides what was asked: two runs of one request with the same numerics give the same. */
export interface Numerics {
  /** One SHA-256 for the kernels that the backend computes with. */
  readonly kernels: string;
  /** The instruction set and how it rounds, and the adapter. */
  readonly arithmetic: string;
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
  /** What computes. A bench names none: each of its parts opens what it measures, Pare's or not. */
  readonly backend?: "webgpu" | "wasm";
  /** What its bytes depend on besides. Plans of Pares before they were known to have none. */
  readonly numerics?: Numerics;
  /** Everything that was asked, defaults resolved: method, sparsity, pattern, seed and so on. */
  readonly request: { readonly [key: string]: Json };
  /** What inputs are measured on. */
  readonly calibration?: Corpus;
  /** What perplexity is measured on. */
  readonly evaluation?: Corpus;
  /** What benchmarks are asked. */
  readonly tasks?: readonly Benchmark[];
}

/** A file that went in, or that came out. */
export interface InputFile {
  /** As it was opened, or its name. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
  /** Of its content; of a file that gives a version, of that and its size. */
  readonly sha256: string;
  /** Of a file that was read where it lies, far away: what the server tells its versions apart by. */
  readonly version?: string;
}

/** Everything that a repetition needs, and what it ran on. It travels as a file with the pruned model. */
export interface Manifest {
  /** The plan's id: the first 16 hexadecimal digits of the SHA-256 of its canonical JSON. */
  readonly planId: string;
  /** What the run does. */
  readonly plan: Plan;
  /** The command line's arguments, exactly. */
  readonly args: readonly string[];
  /** Where it was given: what relative paths in it are relative to. What is given away with a model does not say it. */
  readonly directory?: string;
  /** Every file that was read; in what is given away, by its name alone. */
  readonly inputs: readonly InputFile[];
  /** Every file of the pruned model by its name, but for its card and this; once it is written. */
  readonly outputs?: readonly InputFile[];
  /**
   * Where inputs of linears were permuted: by a linear's name, which of the model's own inputs comes to each place, u32 little
   * endian, base64. The rows of the linears before it were stored in the same order.
   */
  readonly permutations?: { readonly [linear: string]: string };
  /** SHA-256 of Pare's kernels: the WebAssembly modules and the shaders, by name. */
  readonly kernels: { readonly [name: string]: string };
  /** Deno's, V8's and the system's versions. */
  readonly environment: { readonly deno: string; readonly v8: string; readonly os: string; readonly arch: string };
  /** What the backend says of itself: adapter and driver, or workers and SIMD level; of a plan that names none, the machine. */
  readonly backend: string;
}

/** 128 counts of equal width from 0 to `max`. */
export interface Histogram {
  /** The largest number: the upper edge of the last bin. */
  readonly max: number;
  /** From the lowest bin up; a number on an edge is in the bin above it, `max` in the last. */
  readonly counts: readonly number[];
  /**
   * The line between kept and removed: the least number that was kept, if none that was removed is above it. Where it is
   * the rows that have such lines, their median; where neither has (n:m, a density map shows that), there is none.
   */
  readonly threshold?: number;
  /** Where the rows have lines of their own: the lowest and the highest of them. */
  readonly thresholds?: readonly [number, number];
}

/** The share of removed weights in each cell of at most 64 x 64: bytes, 255 = all. */
export interface DensityMap {
  /** Down; outputs. */
  readonly rows: number;
  /** Across; inputs. */
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
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** Weights that are zero now. */
  readonly zeros: number;
  /** zeros / (rows * cols). */
  readonly sparsity: number;
  /** Relative output error, from the Hessian or estimated from its diagonal. */
  readonly outputError?: number;
  /** How that error is known. */
  readonly outputErrorFrom?: "hessian" | "diagonal";
  /** Of its pruning alone. */
  readonly seconds: number;
  /** The damping that its Hessian needed, where it has one. */
  readonly damping?: number;
  /** The same error on the sequences that were held out, where some were. */
  readonly heldOutError?: number;
  /** Whether the update of the weights was not made, since it raised that. */
  readonly updateLeft?: boolean;
  /** Of an expert's linear: the calibration tokens that were routed to it. With none it was pruned by magnitude. */
  readonly tokens?: number;
  /** SHA-256 of the mask: a bit for each weight, row-major, 1 = kept (not zero), in bytes from the lowest bit up. */
  readonly maskSha256: string;
  /** SHA-256 of the pruned weight's bytes. */
  readonly weightSha256: string;
  /** Of |W| before pruning. */
  readonly magnitudes: Histogram;
  /** Of the method's score before pruning, where it is one number for each weight. */
  readonly scores?: Histogram;
  /** Where in the matrix the removed weights stand. */
  readonly density: DensityMap;
}

/** A perplexity, beside what it means nothing without. */
export interface PerplexityRecord {
  /** Whose: `dense`, `pruned`, or a method's label in a comparison. */
  readonly label: string;
  /** exp of the mean negative log likelihood of a token. */
  readonly perplexity: number;
  /** What it was measured on. */
  readonly evaluation: Corpus;
  /** The share of zeros among the weights of all linears, where an evaluation has counted them. */
  readonly sparsity?: number;
  /** What it took to prune the model, where a comparison did that. */
  readonly cost?: PruningCost;
}

/** What a benchmark came to, or a group of them, whose data is one SHA-256 over those of its tasks. */
export interface TaskRecord extends Result, Pick<Benchmark, "data" | "set"> {
  /** Whose, as of a perplexity. */
  readonly label: string;
  /** The share of zeros among the weights of all linears. */
  readonly sparsity: number;
}

/** What one document of a benchmark gave; which one it is, its place says: the first is document 0 of the set. */
export interface DocumentRecord {
  /** One for each request. */
  readonly answers: readonly Answer[];
  /** Metric by metric. */
  readonly scores: Scores;
}

/** A point of a training's curve: a step, an evaluation on what is held out, or a block that was reconstructed. */
export type CurvePoint =
  & {
    /** Of the training so far, its evaluations among them, over all runs that were gone on with. */
    readonly seconds: number;
  }
  & (
    | {
      readonly kind: "step";
      /** From 1 on. */
      readonly step: number;
      /** Mean cross entropy of its windows, nats, before it moved anything. */
      readonly loss: number;
      /** The learning rate. */
      readonly rate: number;
      /** Of all gradients together, before clipping. */
      readonly norm: number;
    }
    | {
      readonly kind: "evaluation";
      /** After which step; 0 before the first. */
      readonly step: number;
      /** On what is held out. */
      readonly perplexity: number;
    }
    | {
      readonly kind: "block";
      /** Its number. */
      readonly block: number;
      /** Of its output, relative to what the dense network has there: `‖output - target‖² / ‖target‖²`. */
      readonly before: number;
      /** The same when it was reconstructed. */
      readonly after: number;
      /** Whether the steps were undone, since they made it no smaller. */
      readonly undone?: boolean;
    }
  );

/** What pruning a model took. */
export interface PruningCost {
  /** Seconds of scoring, masking and solving. */
  readonly metricSeconds?: number;
  /** Seconds of all of it: observing and propagating as well. */
  readonly seconds?: number;
  /** Seconds that all threads of the process computed meanwhile. */
  readonly cpuSeconds?: number;
  /** The most memory that was seen in use meanwhile, bytes. */
  readonly peakBytes?: number;
}

/** A text that a model wrote. */
export interface TextRecord {
  /** As it was asked, before a template. */
  readonly prompt: string;
  readonly text: string;
  /** Of the text alone, an end token among them. */
  readonly ids: readonly number[];
  /** Why it ends: the model or a stop string ended it, or no more tokens were asked for or possible. */
  readonly finish: "stop" | "length";
}

/** One side of what a bench measured. */
export interface Measured {
  /** Who: `Pare, 1 worker`. */
  readonly label: string;
  /** What it counts: `GFLOP/s`, `s`, `MB`. */
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Repetitions. */
  readonly n: number;
}

/** What a bench measured, both sides in turn. */
export interface RatioRecord {
  /** What was measured: `SmolLM2-135M gate/up, 1024 tokens`. */
  readonly name: string;
  readonly ours: Measured;
  readonly theirs: Measured;
  /** Ours over theirs, or whichever way round says how much better ours is. */
  readonly ratio: number;
  /** What the project asks of it. */
  readonly target?: { readonly least: number } | { readonly most: number };
}

/** Where a run stands. */
export type RunStatus = "running" | "finished" | "failed" | "interrupted";

/** How far a live run has come. */
export interface RunProgress {
  /** What it is at: observe, prune, … */
  readonly phase: string;
  /** The block, from 0. */
  readonly block: number;
  /** Blocks in all. */
  readonly blocks: number;
  /** Tokens done. */
  readonly done: number;
  /** Tokens in all. */
  readonly total: number;
  /** Tokens by the second, of the work that `total` counts and this process has done. */
  readonly rate?: number;
  /** Of the process, now. */
  readonly memoryBytes?: number;
}

/** A run without its linears. */
export interface RunRecord extends RunLabels {
  /** The plan's id, with `-2`, `-3` … behind it where the same plan was run again. */
  readonly id: string;
  /** When it was asked for. */
  readonly status: RunStatus;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** For a run that was interrupted: its last sign of life. */
  readonly finishedAt?: string;
  /** What it was asked and what went in. */
  readonly manifest: Manifest;
  /** Where the pruned model went. */
  readonly out?: string;
  /** In the order in which they were measured. */
  readonly perplexities: readonly PerplexityRecord[];
  /** In the order in which they were asked, groups last; their documents are asked for one by one. */
  readonly tasks: readonly TaskRecord[];
  /** Of a bench, once it has ended: what it measured, in that order. */
  readonly ratios?: readonly RatioRecord[];
  /** Of a run that wrote text, once it has ended: in the order of the prompts. */
  readonly texts?: readonly TextRecord[];
  /** Seconds of each phase by name. */
  readonly phases: { readonly [phase: string]: number };
  /** Of the process, at its largest. */
  readonly peakBytes?: number;
  /** The error of a run that failed. */
  readonly error?: string;
  /** The latest that is known. */
  readonly progress?: RunProgress;
}
