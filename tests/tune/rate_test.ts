/** Learning rates against transformers': `tests/fixtures/make/rates.py` prints these numbers. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { type Decay, rateAt } from "../../src/tune/rate.ts";

/** transformers 5.24, torch 2.15: `get_*_schedule_with_warmup`, peak 1e-3, at these steps of 40 after a warm-up of 5. */
const STEPS = [0, 1, 4, 5, 6, 20, 39, 40, 41];
const RATES = {
  linear: [0.0, 0.0002, 0.0008, 0.001, 0.0009714285714285714, 0.0005714285714285714, 2.857142857142857e-05, 0.0, 0.0],
  cosine: [
    0.0,
    0.0002,
    0.0008,
    0.001,
    0.0009979871469976197,
    0.0006112604669781572,
    2.012853002380466e-06,
    0.0,
    2.012853002380466e-06,
  ],
  constant: [0.0, 0.0002, 0.0008, 0.001, 0.001, 0.001, 0.001, 0.001, 0.001],
};

Deno.test("learning rates are transformers' own", () => {
  for (const [decay, rates] of Object.entries(RATES)) {
    const schedule = { peak: 1e-3, warmup: 5, steps: 40, decay: decay as Decay };
    // A few roundings of f64, and of a cosine.
    STEPS.forEach((step, at) => assertAlmostEquals(rateAt(schedule, step), rates[at], 1e-18));
  }
});

Deno.test("without a warm-up the first rate is the highest", () => {
  for (const decay of ["linear", "cosine", "constant"] as const) {
    assertEquals(rateAt({ peak: 2, warmup: 0, steps: 10, decay }, 0), 2);
  }
});

Deno.test("a schedule that is all warm-up never divides by zero", () => {
  for (const decay of ["linear", "cosine", "constant"] as const) {
    const rates = [0, 1, 2, 3].map((step) => rateAt({ peak: 1, warmup: 3, steps: 3, decay }, step));
    assertEquals(rates.slice(0, 3), [0, 1 / 3, 2 / 3]);
    assertEquals(Number.isFinite(rates[3]), true);
  }
});
