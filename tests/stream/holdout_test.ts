/** What is held out of the Hessians: it is not fitted, its error is told, and no update that raises it is made. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Tensor } from "../../src/backend/backend.ts";
import { PareError } from "../../src/errors.ts";
import { sequencesOf } from "../../src/text/batch.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { watch } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

const LINEAR = "model.layers.0.mlp.down_proj";
/**
 * Of a quotient of two traces, each relative: entries of the Hessian are rounded once to f32, the products of the sums of
 * squares of this test are positive on the whole, and each trace is rounded once: some 2^-24 each, 1e-6 with room for what
 * the signs of the off-diagonal cancel.
 */
const ROUNDED = 1e-6;

/** The second moment of what came last. */
class Spy extends ReferenceBackend {
  last = { x: new Float32Array(), cols: 0 };
  override addGram(sums: Tensor, x: Tensor): void {
    this.last = { x: (x as Tensor & { values: Float32Array }).values.slice(), cols: x.cols };
    super.addGram(sums, x);
  }
}

Deno.test("the last tenth of the sequences is not fitted, and the error on it is that of its own inputs", async () => {
  await using watched = await watch("tiny-llama3");
  const { checkpoint } = watched, all = randomTokens(20, 12, 128), backend = new Spy();
  // Random weights on random tokens: with little damping an update would not serve others.
  const leave = { include: [LINEAR] }, asked = { name: "sparsegpt", solve: { damping: 1, blockSize: 128 }, leave };
  const held = await pruned(checkpoint, backend, { ...asked, calibration: all, holdout: true });
  const { x, cols } = backend.last;
  const fitted = await pruned(checkpoint, backend, { ...asked, calibration: sequencesOf(all, 0, 18) });
  assertEquals(held.reports[0].updateLeft, undefined);
  assertEquals(held.weights, fitted.weights);
  const [{ heldOutError, updateLeft, outputError }] = held.reports;
  assertEquals([updateLeft, outputError], [undefined, fitted.reports[0].outputError]);
  assertEquals(x.length / cols, 2 * 12, "two sequences of twenty");
  const { dtype } = checkpoint.tensors.get(`${LINEAR}.weight`)!;
  const before = toFloats((await checkpoint.read([`${LINEAR}.weight`])).get(`${LINEAR}.weight`)!, dtype);
  const after = toFloats(held.weights.get(`${LINEAR}.weight`)!, dtype);
  const energy = (w: (at: number) => number) => {
    let sum = 0;
    for (let t = 0; t < x.length; t += cols) {
      for (let row = 0; row < before.length; row += cols) {
        let y = 0;
        for (let j = 0; j < cols; j++) y += w(row + j) * x[t + j];
        sum += y * y;
      }
    }
    return sum;
  };
  const expected = energy((at) => before[at] - after[at]) / energy((at) => before[at]);
  assertLess(Math.abs(heldOutError! / expected - 1), ROUNDED);
  assertEquals(backend.live, 0);
});

Deno.test("an update that only fits the calibration is not made: the dense weights stay where the mask keeps them", async () => {
  await using watched = await watch("tiny-llama3");
  const { checkpoint } = watched, backend = new ReferenceBackend();
  // Twelve tokens for 64 inputs and more, and hardly any damping.
  const { reports, weights } = await pruned(checkpoint, backend, {
    name: "sparsegpt",
    calibration: randomTokens(2, 12, 128),
    holdout: true,
    solve: { damping: 1e-6, blockSize: 128 },
    leave: { blocks: "0" },
  });
  const left = reports.filter(({ updateLeft }) => updateLeft);
  assert(left.length > 0, "some updates are not made");
  for (const { name } of left) {
    const key = `${name}.weight`, { dtype } = checkpoint.tensors.get(key)!;
    const before = toFloats((await checkpoint.read([key])).get(key)!, dtype),
      after = toFloats(weights.get(key)!, dtype);
    after.forEach((weight, at) => assert(weight === 0 || weight === before[at], `${name}, ${at}`));
  }
  assertEquals(backend.live, 0);
});

Deno.test("one sequence alone cannot be held out", async () => {
  await using watched = await watch("tiny-llama3");
  const options = { name: "sparsegpt", calibration: randomTokens(1, 12, 128), holdout: true };
  const refused = await assertRejects(() => pruned(watched.checkpoint, new ReferenceBackend(), options), PareError);
  assertEquals(refused.message, "--holdout: expected two calibration sequences or more, found 1");
});
