/** The loop of training on the plain f64 backend: what it depends on, what it keeps, and what it never touches. */
import { assert, assertAlmostEquals, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Mask } from "../../src/backend/backend.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { PareError } from "../../src/errors.ts";
import { linearsOf } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { rectangle } from "../../src/text/batch.ts";
import { WholeModel } from "../../src/tune/full.ts";
import { LoraAdapters } from "../../src/tune/lora.ts";
import type { Numbers, Parameter } from "../../src/tune/parameter.ts";
import { tunedLinears } from "../../src/tune/targets.ts";
import { type StepRecord, tune, type TuneOptions, type TuneState } from "../../src/tune/tune.ts";
import { FIXTURES } from "../checkpoint/folders.ts";
import { ReferenceBackend } from "../reference/backend.ts";

const LENGTH = 8, backend = new ReferenceBackend();
const checkpoint = await openCheckpoint(`${FIXTURES}/tiny-llama3`);
const spec = readSpec(checkpoint);
const windows = (seed: number, count: number) =>
  rectangle(Uint32Array.from({ length: count * LENGTH }, (_, i) => (i * 31 + seed * 17) % 61), LENGTH);

/** A mask of every linear that removes every third weight. */
const thirds = (): Map<string, Mask> =>
  new Map(
    spec.blocks.flatMap(linearsOf).map(({ name, rows, cols }) => {
      const numbers = Float32Array.from({ length: rows * cols }, (_, i) => Number(i % 3 !== 0));
      using weight = backend.upload(new Uint8Array(numbers.buffer), rows, cols, "F32");
      return [name, backend.zeros(weight)];
    }),
  );

const OPTIONS = {
  backend,
  spec,
  windowsOf: (step: number) => windows(step % 2, 3),
  heldOut: windows(0, 2),
  schedule: { peak: 1e-2, warmup: 1, steps: 5, decay: "linear" },
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: 1 },
  microBatch: 2,
  evalEvery: 2,
} as const satisfies Omit<TuneOptions, "trainee">;

const adapters = (dropout = 0.1) =>
  new LoraAdapters(backend, checkpoint, tunedLinears(spec), {
    rank: 2,
    alpha: 4,
    seed: 3,
    dropout,
    mask: () => undefined,
  });

const numbersOf = (parameters: readonly Parameter[]) => parameters.map(({ weight }) => [...weight]);

const inBF16 = () => WholeModel.open(backend, checkpoint, spec, () => undefined, { dtype: "BF16", seed: 5 });

for (const [what, open] of [["of adapters", adapters], ["of all weights in BF16", inBF16]] as const) {
  Deno.test(`a run ${what} that is gone on with from any of its states ends with the same numbers`, async () => {
    using whole = await open();
    const states: { state: TuneState; numbers: Numbers[][] }[] = [];
    const found = await tune({
      ...OPTIONS,
      trainee: whole,
      onState: (state) => {
        const numbers = whole.parameters.map(({ weight, first, second }) =>
          [weight, first, second].map((one) => one.slice())
        );
        states.push({ state, numbers });
        return Promise.resolve();
      },
    });
    assertEquals(found.evaluations.map(({ step }) => step), [0, 2, 4, 5]);
    assertLess(found.evaluations[3].loss, found.evaluations[0].loss);
    for (const { state, numbers } of states) {
      using again = await open();
      again.parameters.forEach(({ weight, first, second }, at) =>
        [weight, first, second].forEach((one, part) => one.set(numbers[at][part]))
      );
      const resumed = await tune({ ...OPTIONS, trainee: again, from: state });
      assertEquals(numbersOf(again.parameters), numbersOf(whole.parameters));
      assertEquals([resumed.steps, resumed.evaluations, resumed.best], [found.steps, found.evaluations, found.best]);
    }
  });
}

Deno.test("a run that a signal stopped goes on to the same numbers, wherever it was", async () => {
  using whole = adapters();
  const found = await tune({ ...OPTIONS, trainee: whole });
  for (const stopAfter of [1, 2, 4]) {
    using part = adapters();
    const stop = new AbortController();
    let last: TuneState | undefined;
    await assertRejects(() =>
      tune({
        ...OPTIONS,
        trainee: part,
        signal: stop.signal,
        onStep: ({ step }) => step === stopAfter && stop.abort(new PareError("stopped")),
        onState: (state) => Promise.resolve(void (last = state)),
      }), PareError);
    assertEquals(last!.step, stopAfter);
    const rest = await tune({ ...OPTIONS, trainee: part, from: last });
    assertEquals([numbersOf(part.parameters), rest.evaluations], [numbersOf(whole.parameters), found.evaluations]);
  }
});

Deno.test("gradients of micro-batches add up to the batch's, whatever their size", async () => {
  const curves: StepRecord[][] = [];
  for (const microBatch of [1, 2, 3]) {
    using trainee = adapters(0); // what is left out depends on what goes together
    curves.push([...(await tune({ ...OPTIONS, trainee, microBatch })).steps]);
  }
  for (const curve of curves) {
    curve.forEach(({ loss, norm }, at) => {
      // Gradients are kept as f32, so their sums round.
      assertAlmostEquals(loss, curves[0][at].loss, 1e-5);
      assertAlmostEquals(norm, curves[0][at].norm, 1e-4);
    });
  }
});

Deno.test("all weights under masks: what is removed stays zero and has no moments, the rest is trained", async () => {
  const masks = thirds(), before = backend.live;
  {
    using whole = await WholeModel.open(backend, checkpoint, spec, (linear) => masks.get(linear));
    for (const { name, weight } of whole.parameters) {
      if (masks.has(name.replace(/\.weight$/, ""))) weight.forEach((_, i) => i % 3 || (weight[i] = 0));
    }
    const start = numbersOf(whole.parameters);
    await tune({ ...OPTIONS, trainee: whole });
    whole.parameters.forEach(({ name, weight, first, second }, at) => {
      const masked = masks.has(name.replace(/\.weight$/, ""));
      let moved = 0;
      weight.forEach((value, i) => {
        if (masked && i % 3 === 0) assertEquals([value, first[i], second[i]], [0, 0, 0]);
        else moved += Number(value !== start[at][i]);
      });
      assert(moved > 0, `${name} was trained`);
    });
  }
  assertEquals(backend.live, before);
  for (const mask of masks.values()) mask[Symbol.dispose]();
});

Deno.test("the best state is kept, not the last: a rate that is far too high", async () => {
  using trainee = adapters(0);
  const seen: number[][][] = [];
  const found = await tune({
    ...OPTIONS,
    trainee,
    schedule: { ...OPTIONS.schedule, peak: 1e3, decay: "constant" },
    onEvaluation: () => void seen.push(numbersOf(trainee.parameters)),
  });
  const losses = found.evaluations.map(({ loss }) => loss), least = Math.min(...losses);
  assert(losses.at(-1)! > least, "the last is not the best");
  assertEquals(found.bestEvaluation.loss, least);
  assertEquals(found.best.map((one) => [...one]), seen[losses.indexOf(least)]);
});

Deno.test("a loss that is no number ends the training at its step, and what was best before stays", async () => {
  using trainee = adapters();
  const found = await tune({
    ...OPTIONS,
    trainee,
    onStep: ({ step }) => step === 3 && trainee.parameters.forEach(({ weight }) => weight.fill(NaN)),
  });
  // Step 4 sees what step 3 left.
  assertEquals(found.ended?.why, "loss");
  assertEquals(found.ended?.why === "loss" && found.ended.step, 4);
  assert(found.best.every((one) => one.every(Number.isFinite)));
  assertEquals(found.steps.length, 3);
});

Deno.test("no step is begun after the time that is given", async () => {
  using trainee = adapters();
  const found = await tune({ ...OPTIONS, trainee, mostSeconds: 0 });
  assertEquals([found.steps.length, found.ended?.why], [0, "time"]);
});

Deno.test("dropout leaves numbers out of what is added, others in every step, and of nothing that is measured", async () => {
  const curves: number[][] = [];
  for (const dropout of [0, 1e-9, 0.5, 0.5]) {
    using trainee = adapters(dropout);
    // B begins as zero and adds nothing; the same windows at every step, and rates that move nothing.
    trainee.parameters.forEach(({ weight }, at) => at % 2 && weight.forEach((_, i) => weight[i] = Math.sin(i)));
    const schedule = { ...OPTIONS.schedule, peak: 1e-30, steps: 3 }, windowsOf = () => windows(0, 2);
    const { steps, evaluations } = await tune({ ...OPTIONS, trainee, schedule, windowsOf });
    assertEquals(new Set(evaluations.map(({ loss }) => loss)).size, 1);
    curves.push(steps.map(({ loss }) => loss));
  }
  const [none, hardly, half, again] = curves;
  assertEquals(new Set(none).size, 1);
  // The same sum in two ways.
  hardly.forEach((loss, at) => assertAlmostEquals(loss, none[at], 1e-5));
  assertEquals(new Set(half).size, half.length);
  assertEquals(again, half);
});
