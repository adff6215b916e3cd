/**
 * How far a correct f32 program may be from the exact result, and why. Every tolerance of the contract suite is made
 * of these terms and of the test's own sums of magnitudes; none is found by trying.
 *
 * Sources: Higham, Accuracy and Stability of Numerical Algorithms (2002), for sums; WGSL, section "Accuracy of
 * floating-point expressions", for what a GPU promises of division, roots and exponentials. The WASM backend must keep
 * the same promises: they are the weaker ones.
 */
import type { Backend } from "../../src/backend/backend.ts";

/** Unit roundoff of f32 to nearest: the relative error of one operation. */
export const UNIT = 2 ** -24;

/** One unit in the last place is at most this, relative to the number (WGSL counts in these). */
const ULP = 2 * UNIT;

/** Relative error of `n` roundings in a row, in any order (Higham, lemma 3.1): `n u / (1 - n u)`. */
export const gamma = (n: number): number => n * UNIT / (1 - n * UNIT);

/** Relative error of a division: 2.5 ULP (WGSL). */
export const DIVISION = 2.5 * ULP;

/** Relative error of `inverseSqrt`: 2 ULP (WGSL). */
export const INVERSE_SQRT = 2 * ULP;

/** Relative error of `exp(x)` itself: (3 + 2 |x|) ULP (WGSL). */
export const exponential = (x: number): number => (3 + 2 * Math.abs(x)) * ULP;

/** The smallest normal f32. WGSL may flush what is smaller to zero, in arguments and in results. */
export const SMALLEST_NORMAL = 2 ** -126;

/**
 * The absolute error of an operation near zero: half the smallest subnormal where subnormals are kept (IEEE 754), the
 * smallest normal number where they may be flushed.
 */
export const underflow = (backend: Backend): number => backend.name === "webgpu" ? SMALLEST_NORMAL : 2 ** -150;

/**
 * Relative error of `cap * tanh(x / cap)`: the polynomial of tanh is within 1.3e-7 (Cephes) and takes some eight roundings,
 * the other branch halves an exponential's error from 0.6 on; a quotient, whose error passes to no more than its share, and
 * three products.
 */
export const CAP = 2.5 * UNIT + gamma(8) + 3 * DIVISION + exponential(1.25) + gamma(3);
