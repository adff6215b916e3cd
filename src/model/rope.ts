/**
 * The table of rotary angles that {@linkcode Backend.rotate} reads. Frequencies and angles are rounded to f32 where
 * transformers rounds them: at position 2000 an exact angle would differ from the reference by 1e-4.
 */
import type { Shape } from "./config.ts";

const { fround } = Math;

/** The rotary frequencies of a head, headDim / 2 of them, radians per token. RoFormer (Su et al., 2021), section 3.2.2. */
export function frequencies({ headDim, ropeBase, ropeScaling: scaling }: Shape): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, j) => {
    const frequency = fround(1 / fround(ropeBase ** fround(2 * j / headDim)));
    if (scaling.kind === "none") return frequency;
    if (scaling.kind === "linear") return fround(frequency / scaling.factor);
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength } = scaling;
    const wavelength = fround(2 * Math.PI / frequency);
    if (wavelength < originalLength / high) return frequency;
    if (wavelength > originalLength / low) return fround(frequency / factor);
    const smooth = fround(fround(fround(originalLength / wavelength) - low) / (high - low));
    return fround(fround(fround(fround(1 - smooth) * frequency) / factor) + fround(smooth * frequency));
  });
}

/** F32 length x headDim: for every position the cosines of the headDim / 2 angles, then their sines. */
export function rotaryAngles(shape: Shape, length: number): Float32Array<ArrayBuffer> {
  const half = shape.headDim / 2, table = new Float32Array(length * shape.headDim), rates = frequencies(shape);
  for (let position = 0; position < length; position++) {
    for (let j = 0; j < half; j++) {
      const angle = fround(position * rates[j]), at = position * shape.headDim + j;
      table[at] = Math.cos(angle);
      table[at + half] = Math.sin(angle);
    }
  }
  return table;
}
