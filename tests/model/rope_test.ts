/** Rotary frequencies and angles against their formulas in f64. */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { fc } from "../fuzz/seed.ts";
import { frequencies, type Positions, type Rope, type RopeScaling, rotaryAngles } from "../../src/model/rope.ts";

/** All positions of sequences of these lengths. */
function allPositions(lengths: readonly number[]): Positions[] {
  return lengths.map((length) => ({ first: 0, end: length, length }));
}

/** Half a unit in the last place of an f32, relative. */
const HALF_ULP = 2 ** -24;
/** Roundings between the base and a scaled frequency, the exponent's counted `ln(base)` times (see the test). */
const ROUNDINGS = 10;

interface Rotary {
  readonly headDim: number;
  readonly ropeBase: number;
  readonly ropeScaling: RopeScaling;
}

const ropeOf = ({ headDim: dim, ropeBase: base, ropeScaling: scaling }: Rotary): Rope => ({
  dim,
  layout: "half",
  base,
  scaling,
  attentionFactor: 1,
});

/** `base^(-2j/d)` (RoFormer, section 3.2.2), divided by the factor if positions are. */
function plain({ headDim, ropeBase, ropeScaling }: Rotary): number[] {
  const divisor = ropeScaling.kind === "linear" ? ropeScaling.factor : 1;
  return Array.from({ length: headDim / 2 }, (_, j) => ropeBase ** (-2 * j / headDim) / divisor);
}

/**
 * LLaMA 3.1's rule as its published code states it: by wavelength, keep what turns `high` times or more within the
 * original length, divide what turns less than `low` times, and interpolate linearly in the number of turns between.
 */
function llama3(rotary: Rotary): number[] {
  const { ropeScaling: scaling } = rotary;
  if (scaling.kind !== "llama3") throw new TypeError("llama3 only");
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength } = scaling;
  return plain(rotary).map((frequency) => {
    const turns = originalLength * frequency / (2 * Math.PI);
    const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return frequency * kept + frequency / factor * (1 - kept);
  });
}

const rotary = fc.record({
  headDim: fc.integer({ min: 1, max: 128 }).map((half) => 2 * half),
  ropeBase: fc.constantFrom(10000, 500000, 1e6, 1e7),
});
const factor = fc.double({ min: 1, max: 64, noNaN: true });

Deno.test("frequencies are base^(-2j/d), and divided by the factor where positions are scaled linearly", () => {
  fc.assert(fc.property(rotary, fc.option(factor), (rotary, factor) => {
    const ropeScaling: RopeScaling = factor === null ? { kind: "none" } : { kind: "linear", factor };
    const got = frequencies(ropeOf({ ...rotary, ropeScaling }), 1), want = plain({ ...rotary, ropeScaling });
    assertEquals(got.length, want.length);
    // The rounded exponent is off by HALF_ULP of at most 1, which `base^x` multiplies by ln(base) (16 for the largest).
    const bound = (ROUNDINGS + Math.log(rotary.ropeBase)) * HALF_ULP;
    for (const [j, frequency] of want.entries()) assertLessOrEqual(Math.abs(got[j] / frequency - 1), bound);
  }));
});

Deno.test("llama3 scaling keeps short wavelengths, divides long ones, and ramps between", () => {
  const scalings = fc.record({
    kind: fc.constant("llama3" as const),
    factor,
    lowFrequencyFactor: fc.constantFrom(1, 2),
    highFrequencyFactor: fc.constantFrom(4, 8),
    originalLength: fc.constantFrom(32, 2048, 8192),
  });
  fc.assert(fc.property(rotary, scalings, (rotary, ropeScaling) => {
    const all = { ...rotary, ropeScaling }, got = frequencies(ropeOf(all), 1), want = llama3(all);
    // On the ramp an error of the number of turns is divided by `high - low`: at least 2, of at most 8 turns, times the
    // factor, since the frequency may be that much smaller than the kept share of it.
    const bound = (ROUNDINGS + Math.log(rotary.ropeBase)) * (1 + 4 * ropeScaling.factor) * HALF_ULP;
    for (const [j, frequency] of want.entries()) assertLessOrEqual(Math.abs(got[j] / frequency - 1), bound);
  }));
});

Deno.test("a position's row is the cosines of its angles, then their sines", () => {
  const length = 2048, rotary: Rotary = { headDim: 64, ropeBase: 10000, ropeScaling: { kind: "none" } };
  const table = rotaryAngles(ropeOf(rotary), allPositions([length])), rates = plain(rotary), half = 32;
  assertEquals(table.length, length * 64);
  for (const position of [0, 1, 2, 63, 1023, 2047]) {
    for (let j = 0; j < half; j++) {
      const angle = position * rates[j], at = position * 64 + j;
      // The angle is rounded to f32, and carries its frequency's error.
      const bound = (angle * (ROUNDINGS + Math.log(10000)) + 1) * HALF_ULP;
      assertLessOrEqual(Math.abs(table[at] - Math.cos(angle)), bound);
      assertLessOrEqual(Math.abs(table[at + half] - Math.sin(angle)), bound);
    }
  }
});

Deno.test("frequencies are transformers' own f32 numbers", () => {
  // torch: 1 / 10000 ** (torch.arange(0, 8, 2).float() / 8), printed with 9 digits.
  const rotary: Rotary = { headDim: 8, ropeBase: 10000, ropeScaling: { kind: "none" } };
  assertEquals([...frequencies(ropeOf(rotary), 1)], [1, 0.1, 0.01, 0.001].map(Math.fround));
});

Deno.test("every sequence of a table begins at position 0", () => {
  const rope = ropeOf({ headDim: 8, ropeBase: 10000, ropeScaling: { kind: "none" } });
  const longest = rotaryAngles(rope, allPositions([7])), lengths = [3, 7, 1, 5];
  const rows = lengths.flatMap((length) => [...longest.subarray(0, length * 8)]);
  assertEquals([...rotaryAngles(rope, allPositions(lengths))], rows);
});

Deno.test("where angles depend on a sequence's length, each sequence of a table has its own", () => {
  const dynamic: RopeScaling = { kind: "dynamic", factor: 2, originalLength: 4 };
  const longrope: RopeScaling = { kind: "longrope", short: [1, 1, 1, 1], long: [1, 2, 3, 4], originalLength: 4 };
  for (const ropeScaling of [dynamic, longrope]) {
    const rope = ropeOf({ headDim: 8, ropeBase: 10000, ropeScaling }), lengths = [3, 9, 4, 6, 9];
    const alone = lengths.flatMap((length) => [...rotaryAngles(rope, allPositions([length]))]);
    assertEquals([...rotaryAngles(rope, allPositions(lengths))], alone);
  }
});

Deno.test("dynamic scaling is none up to the original length, and a larger base beyond it", () => {
  const plainly = ropeOf({ headDim: 16, ropeBase: 10000, ropeScaling: { kind: "none" } });
  const scaled: Rope = { ...plainly, scaling: { kind: "dynamic", factor: 2, originalLength: 32 } };
  for (const length of [1, 31, 32]) assertEquals(frequencies(scaled, length), frequencies(plainly, length));
  // The base times (factor * length / original - (factor - 1))^(d / (d - 2)), in f64.
  const base = 10000 * (2 * 48 / 32 - 1) ** (16 / 14);
  for (const [j, frequency] of frequencies(scaled, 48).entries()) {
    assertLessOrEqual(Math.abs(frequency * base ** (2 * j / 16) - 1), (ROUNDINGS + Math.log(base)) * HALF_ULP);
  }
});

Deno.test("YaRN keeps what turns often, divides what hardly turns, and ramps over the dimensions between", () => {
  const plainly = ropeOf({ headDim: 64, ropeBase: 10000, ropeScaling: { kind: "none" } });
  const originalLength = 2048, factor = 4, betaFast = 32, betaSlow = 1;
  const scaled: Rope = {
    ...plainly,
    scaling: { kind: "yarn", factor, betaFast, betaSlow, truncate: true, originalLength },
  };
  const before = frequencies(plainly, 1), after = frequencies(scaled, 1);
  for (const [j, frequency] of before.entries()) {
    const turns = originalLength * frequency / (2 * Math.PI), kept = after[j] / frequency;
    // The ramp is widened to whole dimensions, so at its ends it begins a dimension early.
    const next = 10000 ** (2 / 64);
    if (turns > betaFast * next) assertLessOrEqual(Math.abs(kept - 1), 2 * HALF_ULP);
    else if (turns < betaSlow / next) assertLessOrEqual(Math.abs(kept * factor - 1), 4 * HALF_ULP);
    else assertLessOrEqual(Math.abs(kept - (1 + 1 / factor) / 2), (1 - 1 / factor) / 2 + 4 * HALF_ULP);
    if (j > 0) assertLessOrEqual(kept, after[j - 1] / before[j - 1] + 4 * HALF_ULP);
  }
});
