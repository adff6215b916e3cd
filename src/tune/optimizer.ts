/** A step of training once the gradients are there: masked, measured, clipped, then AdamW on each parameter. */
import type { AdamWOptions, Backend } from "../backend/backend.ts";
import type { Parameter } from "./parameter.ts";

/** What AdamW is told besides the rate, and where gradients are clipped. */
export interface OptimizerOptions extends Pick<AdamWOptions, "beta1" | "beta2" | "epsilon" | "decay"> {
  /** The largest norm of all gradients together; longer ones are scaled down to it. */
  readonly clip: number;
}

/** Added to the norm that gradients are clipped by, as PyTorch's `clip_grad_norm_` does. */
const CLIP_EPSILON = 1e-6;

/** The norm of all gradients together, after those by removed weights are made zero; the sums are wider than f32. */
export async function gradientNorm(backend: Backend, parameters: readonly Parameter[]): Promise<number> {
  using sums = new DisposableStack();
  const all = parameters.map((parameter) => {
    const { gradient, mask, cols } = parameter, own = sums.use(backend.allocate(2, cols));
    if (mask) backend.apply(gradient, mask);
    backend.addSquares(own, gradient);
    parameter.rest(); // as it was, but for what is zero now
    return own;
  });
  let total = 0;
  for (const bytes of await backend.read(...all)) {
    for (const part of new Float32Array(bytes.buffer)) total += part;
  }
  return Math.sqrt(total);
}

/**
 * Takes a step and begins the next gradients.
 * @param norm Of all gradients, as {@linkcode gradientNorm} gives it.
 * @param step From 1 on.
 */
export async function takeStep(
  backend: Backend,
  parameters: readonly Parameter[],
  { clip, ...adamw }: OptimizerOptions,
  { norm, rate, step }: { readonly norm: number; readonly rate: number; readonly step: number },
): Promise<void> {
  const scale = Math.min(1, clip / (norm + CLIP_EPSILON));
  for (const parameter of parameters) {
    const { mask } = parameter;
    await parameter.move((weight, moments) => {
      backend.adamw(weight, moments, parameter.gradient, { ...adamw, rate, step, scale, mask });
    }, step);
  }
}
