/**
 * What a training will hold on its backend, told before anything is computed: a gradient of all that is trained, of one tensor
 * its weights and moments while AdamW takes its step, and one block on its way back. What cannot fit is refused by its size.
 */
import { type Backend, BYTES } from "../backend/backend.ts";
import { PareError } from "../errors.ts";
import { blockTensors, linearsOf, modelTensors, type TensorSpec } from "../model/layers.ts";
import type { BlockSpec, ModelSpec } from "../model/spec.ts";

/** What is about to be trained. */
export interface TrainingSize {
  /** Where. */
  readonly backend: Pick<Backend, "name" | "limits">;
  /** Tokens that go through the model together. */
  readonly tokens: number;
  /** Whether hidden states are in a file. */
  readonly spooled: boolean;
}

/** Tensors that a step of AdamW has of one parameter: itself, its gradient and its two moments. */
const STEPPING = 4;

const countOf = ({ shape }: TensorSpec) => shape.reduce((product, size) => product * size, 1);
const sum = (tensors: readonly TensorSpec[]) => tensors.reduce((total, tensor) => total + countOf(tensor), 0);
const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Bytes of a block that is gone back over: its weights, F32, and of every token what its layers give, with gradients of it. */
function blockBytes(spec: ModelSpec, block: BlockSpec, tokens: number): number {
  const outputs = linearsOf(block).reduce((total, { rows, cols }) => total + rows + cols, 0);
  return BYTES.F32 * (sum(blockTensors(block)) + tokens * (outputs + 4 * spec.hidden));
}

/**
 * Refuses to train all of a model where that cannot fit its backend.
 * @throws PareError naming what it would take, and what would fit.
 */
export function checkWholeModel(spec: ModelSpec, { backend, tokens, spooled }: TrainingSize): void {
  const { memoryBytes } = backend.limits, tensors = modelTensors(spec), weights = sum(tensors);
  const block = Math.max(...spec.blocks.map((block) => blockBytes(spec, block, tokens)));
  const step = STEPPING * BYTES.F32 * Math.max(...tensors.map(countOf));
  const hidden = spooled ? 0 : (spec.blocks.length + 1) * tokens * spec.hidden * BYTES.F32;
  const beside = Math.max(block + hidden, step), needed = BYTES.F32 * weights + beside;
  if (needed <= memoryBytes) return;
  const most = Math.max(0, Math.floor((memoryBytes - beside) / BYTES.F32 / 1e6));
  throw new PareError(
    `--mode full: the gradients of ${Math.round(weights / 1e6)} M weights, and a block, take ${gib(needed)}; the ` +
      `${backend.name} backend holds ${
        gib(memoryBytes)
      }, enough for about ${most} M weights: expected --mode lora or ` +
      "--mode reconstruct, fewer tokens at once, or a backend with more memory",
  );
}
