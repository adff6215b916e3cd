/**
 * The learning rate of each step, as transformers' schedulers have it: it rises linearly from 0 over the warm-up (so the first
 * step moves nothing and only begins the moments), then falls to 0, or stays.
 */

/** How a learning rate falls after its warm-up: on a line, on half a cosine, or not at all. */
export type Decay = "linear" | "cosine" | "constant";

/** Every {@linkcode Decay}, for who offers them. */
export const DECAYS: readonly Decay[] = ["linear", "cosine", "constant"];

/** A schedule of learning rates. */
export interface RateSchedule {
  /** The highest rate. */
  readonly peak: number;
  /** Steps on which it rises. */
  readonly warmup: number;
  /** Steps in all: the rate would be 0 at the one after the last. */
  readonly steps: number;
  /** How it falls. */
  readonly decay: Decay;
}

/**
 * The rate of step `step`, counted from 0: `get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup` or
 * `get_constant_schedule_with_warmup` of transformers 5.
 */
export function rateAt({ peak, warmup, steps, decay }: RateSchedule, step: number): number {
  if (step < warmup) return peak * (step / Math.max(1, warmup));
  if (decay === "constant") return peak;
  if (decay === "linear") return peak * Math.max(0, (steps - step) / Math.max(1, steps - warmup));
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  return peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
