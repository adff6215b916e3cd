/**
 * transformers' `rope_scaling` out of a GGUF file. Linear scaling stands in the metadata, LongRoPE's divisors in two tensors.
 * LLaMA 3.1's parameters do not: llama.cpp
 * keeps only its result, a factor for every frequency, so its parameters are found again from the factors and then
 * checked against every one of them.
 */
import { quote } from "../quote.ts";
import { type Metadata, shortest } from "./metadata.ts";

/** The parameters that all of LLaMA 3.1, 3.2 and 3.3 share (their config.json); only `factor` differs. */
const LLAMA3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

/** Largest relative difference that f32 arithmetic in another order explains: a few roundings of 2^-24. */
const TOLERANCE = 1e-5;

/** The tensors of rotary factors that a file has: `rope_freqs.weight`, and LongRoPE's two. */
export type RopeTensors = Readonly<Partial<Record<"factors" | "long" | "short", ArrayLike<number>>>>;

/**
 * `rope_scaling` as transformers 4 has it; null if positions are not scaled.
 * @throws PareError for a scaling that is none, linear, LongRoPE, or LLaMA 3.1's.
 */
export function ropeScaling(
  metadata: Metadata,
  { factors, long, short }: RopeTensors = {},
): Record<string, unknown> | null {
  const family = metadata.text("general.architecture");
  const type = metadata.text(`${family}.rope.scaling.type`, "none");
  if (type === "linear") {
    return { rope_type: "linear", factor: shortest(metadata.number(`${family}.rope.scaling.factor`)) };
  }
  if (long && short && (type === "none" || type === "longrope")) {
    const divisors = (of: ArrayLike<number>) => Array.from(of, shortest);
    return { rope_type: "longrope", short_factor: divisors(short), long_factor: divisors(long) };
  }
  if (type !== "none") {
    throw metadata.wrong(`its rope scaling is ${quote(type)}; Pare knows linear and llama3`);
  }
  if (!factors || Array.from(factors).every((factor) => factor === 1)) return null;

  const factor = shortest(Array.from(factors).reduce((a, b) => Math.max(a, b)));
  const base = metadata.number(`${family}.rope.freq_base`, 10000);
  for (let i = 0; i < factors.length; i++) {
    const expected = llama3Factor(2 * Math.PI * base ** (i / factors.length), factor);
    if (!(Math.abs(factors[i] - expected) <= TOLERANCE * expected)) {
      throw metadata.wrong(`its rotary factors are not llama3's: factor ${i} is ${factors[i]}, expected ${expected}`);
    }
  }
  return { rope_type: "llama3", factor, ...LLAMA3 };
}

/** By what LLaMA 3.1 divides the frequency of a wavelength: 1 for short ones, `factor` for long ones, a ramp between. */
function llama3Factor(wavelength: number, factor: number): number {
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: length } = LLAMA3;
  const smooth = Math.min(1, Math.max(0, (length / wavelength - low) / (high - low)));
  return 1 / ((1 - smooth) / factor + smooth);
}
