/** What of a model is trained, as the loop sees it: low-rank adapters (`lora.ts`) or all of it (`full.ts`). */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { TensorSource } from "../model/block.ts";
import type { ParameterGradients } from "../model/tape.ts";
import type { WalkOperations } from "../model/walk.ts";
import type { Parameter } from "./parameter.ts";

/** See the file's head. */
export interface Trainee extends Disposable {
  /** All that is trained, in an order that does not change. */
  readonly parameters: readonly Parameter[];
  /** The model as it is now, but for what {@linkcode Trainee.source} says of its blocks. */
  readonly checkpoint: Checkpoint;
  /** The blocks' tensors as they are now. */
  readonly source: TensorSource;
  /** Whether gradients by one of the model's tensors, or by what is added to it, are ever asked for. */
  readonly trains: (name: string) => boolean;
  /** Where gradients by the model's tensors go. */
  readonly gradients: ParameterGradients;
  /** What a walk computes with, part after part of a pass. */
  readonly operations?: (operations: WalkOperations, part: number) => WalkOperations;
  /** Takes the parameters as they are now: before a pass, whenever they have changed. */
  refresh(): void;
  /**
   * Begins a pass.
   * @param training Numbers that no other pass of the training has; nothing where the model is only measured.
   */
  begin(training?: readonly number[]): void;
  /** Makes gradients by parameters of what has come in: after a backward pass. */
  collect(): void;
}
