/**
 * The seam between what Pare computes and where it is computed. A backend owns tensors and offers the operations
 * of `operations/` on them; `webgpu/` and `wasm/` realise it, and `tests/reference/` states it again in plain f64. A backend
 * knows no model, no method and no file.
 *
 * Three rules hold for every realisation:
 *  - Operations queue; only {@linkcode Backend.read} and {@linkcode Backend.inverseFactor} wait. Operations take effect in the order of their calls.
 *  - Shapes are checked at the call: a `RangeError` says what was expected and what was found. It is a bug of the
 *    caller, never of the user.
 *  - Results are deterministic: the same calls give the same bytes, whatever the number of workers.
 */
import type { BackwardOperations } from "./operations/backward.ts";
import type { DistributionOperations } from "./operations/distribution.ts";
import type { ForwardOperations } from "./operations/forward.ts";
import type { HoldOperations } from "./operations/hold.ts";
import type { ObserveOperations } from "./operations/observe.ts";
import type { PackedOperations } from "./operations/packed.ts";
import type { PruneOperations } from "./operations/prune.ts";
import type { SolveOperations } from "./operations/solve.ts";
import type { TuneOperations } from "./operations/tune.ts";

export * from "./packed.ts";
export * from "./tensor.ts";
export type {
  Activation,
  AttentionOptions,
  CrossEntropyOptions,
  ForwardOperations,
  MapFunction,
  NormOptions,
  RotateOptions,
} from "./operations/forward.ts";
export type { BackwardOperations, NormGradients } from "./operations/backward.ts";
export type { DistributionOperations } from "./operations/distribution.ts";
export type { HoldOperations } from "./operations/hold.ts";
export type { ObserveOperations } from "./operations/observe.ts";
export type { PackedOperations } from "./operations/packed.ts";
export type { Formula, PruneOperations, Selection } from "./operations/prune.ts";
export type {
  AssignOptions,
  Choice,
  CombineOptions,
  Descent,
  EliminationFormula,
  InverseFactor,
  SolveOperations,
  Term,
} from "./operations/solve.ts";
export type { AdamWOptions, DropoutOptions, Moments, TuneOperations } from "./operations/tune.ts";

/** What a backend can hold, and how it likes to be fed. */
export interface BackendLimits {
  /**
   * Bytes that all tensors together can take, scratch of the operations included. Infinity where the device does not say
   * (WebGPU tells no total): its refusal is the limit then.
   */
  readonly memoryBytes: number;
  /** Tokens of a batch, unless one sequence alone is longer. */
  readonly batchTokens: number;
  /** Hidden states of more bytes than this are better kept in a file. */
  readonly spoolAbove: number;
  /** Bytes that one binding of a device can hold: larger matrices lie in several, and no row may be longer. */
  readonly bindingBytes?: number;
}

/** All operations on tensors. Everything numerical in Pare is said with these. */
export interface Operations
  extends
    HoldOperations,
    ForwardOperations,
    BackwardOperations,
    ObserveOperations,
    PackedOperations,
    PruneOperations,
    SolveOperations,
    DistributionOperations,
    TuneOperations {}

/** A backend: its {@linkcode Operations}, and what it is. */
export interface Backend extends Operations, AsyncDisposable {
  /** Which realisation it is. */
  readonly name: "webgpu" | "wasm" | "reference";
  /** The adapter, or the number of workers and the SIMD level: for the user's eyes and the run's record. */
  readonly description: string;
  /** What results depend on besides the kernels, to the bit: the instruction set and how it rounds, and the adapter. */
  readonly arithmetic: string;
  /** What it can hold. */
  readonly limits: BackendLimits;
  /** Tensors and masks not yet disposed: tests count leaks with it. */
  readonly live: number;
  /** Seconds spent in each operation so far, by its name, where the backend can tell; the fence is the caller's. */
  seconds(): Promise<Record<string, number>>;
}
