/**
 * Rotary positions (RoFormer; Su et al., 2021): what a config says of them, and the tables of cosines and sines that
 * {@linkcode Backend.rotate} reads. Frequencies and angles are rounded to f32 where transformers rounds them: at position
 * 2000 an exact angle would differ from the reference by 1e-4.
 */

const { fround } = Math;

/** How positions are stretched beyond the training length. */
export type RopeScaling =
  | { readonly kind: "none" }
  /** Positions divided by `factor`. */
  | { readonly kind: "linear"; readonly factor: number }
  /** LLaMA 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between. */
  | {
    readonly kind: "llama3";
    readonly factor: number;
    readonly lowFrequencyFactor: number;
    readonly highFrequencyFactor: number;
    readonly originalLength: number;
  }
  /**
   * YaRN (Peng et al., 2023, section 3.2): frequencies that turn more than `betaFast` times within the original length are
   * kept, those that turn less than `betaSlow` times divided by `factor`, a ramp over the dimensions between; `truncate` widens
   * the ramp to whole dimensions.
   */
  | {
    readonly kind: "yarn";
    readonly factor: number;
    readonly betaFast: number;
    readonly betaSlow: number;
    readonly truncate: boolean;
    readonly originalLength: number;
  }
  /** The base grows with the length of a sequence beyond the original length. */
  | { readonly kind: "dynamic"; readonly factor: number; readonly originalLength: number }
  /** LongRoPE (Ding et al., 2024): each frequency has its divisor, one for sequences beyond the original length, one for others. */
  | {
    readonly kind: "longrope";
    readonly short: readonly number[];
    readonly long: readonly number[];
    readonly originalLength: number;
  };

/** The rotation of the heads of one attention. */
export interface Rope {
  /** The first dimensions of each head that are rotated; even. */
  readonly dim: number;
  /** Which two dimensions turn together: j and j + dim / 2, or 2j and 2j + 1. */
  readonly layout: "half" | "neighbours";
  /** Base of the frequencies. */
  readonly base: number;
  /** How positions are stretched. */
  readonly scaling: RopeScaling;
  /** Cosines and sines are multiplied by it. */
  readonly attentionFactor: number;
}

/** The length up to which all sequences have the same angles at the same position; Infinity if they always have. */
export function sharedLength({ scaling }: Rope): number {
  return scaling.kind === "dynamic" || scaling.kind === "longrope" ? scaling.originalLength : Infinity;
}

/** The frequencies of a head for a sequence of `length` tokens, dim / 2 of them, radians per token. RoFormer, section 3.2.2. */
export function frequencies({ dim, base, scaling }: Rope, length: number): Float32Array {
  const powers = (base: number) =>
    Float32Array.from({ length: dim / 2 }, (_, j) => fround(fround(base) ** fround(2 * j / dim)));
  const plain = () => powers(base).map((power) => fround(1 / power));
  switch (scaling.kind) {
    case "none":
      return plain();
    case "linear":
      return plain().map((frequency) => fround(frequency / scaling.factor));
    case "llama3":
      return plain().map((frequency) => llama3(frequency, scaling));
    case "yarn":
      return yarn(powers(base), dim, base, scaling);
    case "dynamic": {
      const { factor, originalLength } = scaling, stretch = factor * Math.max(length, originalLength) / originalLength;
      return powers(base * (stretch - (factor - 1)) ** (dim / (dim - 2))).map((power) => fround(1 / power));
    }
    case "longrope": {
      const divisors = length > scaling.originalLength ? scaling.long : scaling.short;
      return powers(base).map((power, j) => fround(1 / fround(fround(divisors[j]) * power)));
    }
  }
}

function llama3(frequency: number, scaling: Extract<RopeScaling, { kind: "llama3" }>): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength } = scaling;
  const wavelength = fround(2 * Math.PI / frequency);
  if (wavelength < originalLength / high) return frequency;
  if (wavelength > originalLength / low) return fround(frequency / factor);
  const smooth = fround(fround(fround(originalLength / wavelength) - low) / (high - low));
  return fround(fround(fround(fround(1 - smooth) * frequency) / factor) + fround(smooth * frequency));
}

function yarn(powers: Float32Array, dim: number, base: number, scaling: Extract<RopeScaling, { kind: "yarn" }>) {
  const { factor, betaFast, betaSlow, truncate, originalLength } = scaling;
  // The dimension, as a fraction, whose frequency turns this often within the original length.
  const dimension = (turns: number) => dim * Math.log(originalLength / (turns * 2 * Math.PI)) / (2 * Math.log(base));
  const whole = (value: number, round: (value: number) => number) => truncate ? round(value) : value;
  const low = Math.max(whole(dimension(betaFast), Math.floor), 0);
  const high = Math.min(whole(dimension(betaSlow), Math.ceil), dim - 1);
  // A ramp of no length would be a division by zero; transformers takes a thousandth.
  const length = high === low ? 0.001 : high - low;
  return powers.map((power, j) => {
    const kept = fround(1 - Math.min(1, Math.max(0, fround(fround(j - low) / length))));
    const stretched = fround(1 / fround(factor * power));
    return fround(fround(stretched * fround(1 - kept)) + fround(fround(1 / power) * kept));
  });
}

/**
 * What the frequencies of a sequence depend on besides the rope: sequences of one key have the same angles at the same position,
 * and their keys can be kept while they grow.
 */
export function frequencyKey(rope: Rope, length: number): number {
  if (length <= sharedLength(rope)) return 0;
  return rope.scaling.kind === "longrope" ? 1 : length;
}

/** Neighbouring positions of a sequence. */
export interface Positions {
  /** The first of them. */
  readonly first: number;
  /** The one behind the last. */
  readonly end: number;
  /** Tokens of the whole sequence. */
  readonly length: number;
}

/**
 * The table for positions of some sequences, one after the other: F32 positions x dim, for every position the cosines of the
 * dim / 2 angles, then their sines.
 */
export function rotaryAngles(rope: Rope, sequences: readonly Positions[]): Float32Array<ArrayBuffer> {
  const { dim, attentionFactor } = rope, half = dim / 2;
  const table = new Float32Array(sequences.reduce((sum, { first, end }) => sum + end - first, 0) * dim);
  // Where the angles of positions from 0 on are in the table already, by what the frequencies depend on.
  const known = new Map<number, { readonly start: number; readonly end: number }>();
  let start = 0;
  for (const { first, end, length } of sequences) {
    const key = frequencyKey(rope, length), before = known.get(key);
    const copied = Math.max(first, Math.min(before?.end ?? 0, end));
    if (before) table.copyWithin(start * dim, (before.start + first) * dim, (before.start + copied) * dim);
    if (copied < end) {
      const rates = frequencies(rope, length);
      for (let position = copied; position < end; position++) {
        for (let j = 0; j < half; j++) {
          const angle = fround(position * rates[j]), at = (start + position - first) * dim + j;
          table[at] = fround(Math.cos(angle)) * attentionFactor;
          table[at + half] = fround(Math.sin(angle)) * attentionFactor;
        }
      }
      if (first === 0) known.set(key, { start, end });
    }
    start += end - first;
  }
  return table;
}
