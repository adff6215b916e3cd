/**
 * What a training will hold on its backend, told before anything is computed: a gradient of all that is trained, of one tensor
 * its weights and moments while AdamW takes its step, and one block on its way back. What does not fit in F32 is trained in
 * BF16, unless that is not wanted; what cannot fit is refused by its size.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { blockTensors, linearsOf, modelTensors, type TensorSpec } from "../model/layers.ts";
import type { BlockSpec, ModelSpec } from "../model/spec.ts";
import type { ParameterDtype } from "./parameter.ts";

/** What is about to be trained. */
export interface TrainingSize {
  /** Where. */
  readonly backend: Pick<Backend, "name" | "limits">;
  /** Tokens that go through the model together. */
  readonly tokens: number;
  /** Whether hidden states are in a file. */
  readonly spooled: boolean;
}

/** How all of a model is to be trained: in a dtype, or in F32 where that fits and else in BF16. */
export type Precision = "auto" | "f32" | "bf16";

/** What a weight takes while its tensor takes a step: itself, its gradient and two moments, F32; in BF16 two bytes more are read back. */
const STEPPING = { F32: 4 * BYTES.F32, BF16: 4 * BYTES.F32 + BYTES.BF16 } as const;

const countOf = ({ shape }: TensorSpec) => shape.reduce((product, size) => product * size, 1);
const sum = (tensors: readonly TensorSpec[]) => tensors.reduce((total, tensor) => total + countOf(tensor), 0);
const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/**
 * Bytes of a block that is gone back over: its weights, of BF16 with gradients in F32, and of every token what its layers give,
 * with gradients of it.
 */
function blockBytes(spec: ModelSpec, block: BlockSpec, tokens: number, dtype: ParameterDtype): number {
  const outputs = linearsOf(block).reduce((total, { rows, cols }) => total + rows + cols, 0);
  const each = dtype === "F32" ? BYTES.F32 : BYTES.BF16 + BYTES.F32;
  return each * sum(blockTensors(block)) + BYTES.F32 * tokens * (outputs + 4 * spec.hidden);
}

/** Bytes that training all of a model takes on its backend, gradients of all weights and what is beside them. */
function trainingBytes(spec: ModelSpec, { tokens, spooled }: TrainingSize, dtype: ParameterDtype) {
  const tensors = modelTensors(spec), gradients = BYTES[dtype] * sum(tensors);
  const block = Math.max(...spec.blocks.map((block) => blockBytes(spec, block, tokens, dtype)));
  const step = STEPPING[dtype] * Math.max(...tensors.map(countOf));
  const hidden = spooled ? 0 : (spec.blocks.length + 1) * tokens * spec.hidden * BYTES.F32;
  return { gradients, beside: Math.max(block + hidden, step) };
}

/**
 * In which dtype all of a model is trained where it is to be.
 * @throws PareError if it cannot fit its backend, naming what it would take, and what would fit.
 */
export function precisionFor(spec: ModelSpec, size: TrainingSize, asked: Precision): ParameterDtype {
  const { name, limits: { memoryBytes } } = size.backend;
  const dtypes = asked === "f32" ? ["F32"] as const : asked === "bf16" ? ["BF16"] as const : ["F32", "BF16"] as const;
  const fitting = dtypes.find((dtype) => {
    const { gradients, beside } = trainingBytes(spec, size, dtype);
    return gradients + beside <= memoryBytes;
  });
  if (fitting) return fitting;
  const dtype = dtypes.at(-1)!, { gradients, beside } = trainingBytes(spec, size, dtype);
  const most = Math.max(0, Math.floor((memoryBytes - beside) / BYTES[dtype] / 1e6));
  throw new PareError(
    `--mode full: the gradients of ${
      Math.round(gradients / BYTES[dtype] / 1e6)
    } M weights in ${dtype}, and a block, take ${gib(gradients + beside)}; the ${name} backend holds ${
      gib(memoryBytes)
    }, enough for about ${most} M weights: expected ${
      dtype === "F32" ? "--precision bf16, " : ""
    }--mode lora or --mode reconstruct, fewer tokens at once, or a backend with more memory`,
  );
}
