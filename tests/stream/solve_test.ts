/** What a pass does where a method solves with a Hessian, and what it reports of every linear. */
import { assert, assertEquals, assertGreater, assertLess, assertRejects, assertThrows } from "@std/assert";
import type { Backend, Tensor } from "../../src/backend/backend.ts";
import { PareError } from "../../src/errors.ts";
import { DEFAULT_SOLVER_OPTIONS } from "../../src/method/method.ts";
import { linearsOf } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import { observeFirst } from "../../src/stream/prune.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { overlay, watch } from "./checkpoints.ts";
import { CALIBRATION, pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

/** The inputs of one linear, token by token, as a pass has observed them. */
class Spy extends ReferenceBackend {
  readonly inputs: { x: Float32Array; cols: number }[] = [];
  override addSquares(sums: Tensor, x: Tensor): void {
    this.inputs.push({ x: (x as Tensor & { values: Float32Array }).values.slice(), cols: x.cols });
    super.addSquares(sums, x);
  }
}

/** `‖(before - after) X‖² / ‖before X‖²`, token by token. */
function outputError(before: Float32Array, after: Float32Array, inputs: Spy["inputs"]): number {
  let lost = 0, all = 0;
  for (const { x, cols } of inputs) {
    for (let t = 0; t < x.length; t += cols) {
      for (let row = 0; row < before.length; row += cols) {
        let y = 0, d = 0;
        for (let j = 0; j < cols; j++) {
          y += before[row + j] * x[t + j];
          d += (before[row + j] - after[row + j]) * x[t + j];
        }
        lost += d * d;
        all += y * y;
      }
    }
  }
  return lost / all;
}

const SMALL = randomTokens(3, 12, 128);
/** Traces are rounded to f32 once each, of sums in f64; the Hessian is f32 and W is seen as stored. */
const ROUNDED = 1e-5;

for (const [name, from] of [["sparsegpt", "hessian"], ["wanda", "diagonal"]] as const) {
  Deno.test(`${name} reports every linear's output error from the ${from}, its sparsity and its seconds`, async () => {
    await using watched = await watch("tiny-llama3");
    const backend = new Spy(), { checkpoint } = watched;
    const { reports, weights } = await pruned(checkpoint, backend, {
      name,
      calibration: SMALL,
      leave: { include: ["layers.0.mlp.down_proj"] },
    });
    assertEquals(reports.length, 1);
    const [{ rows, cols, zeros, sparsity, seconds, outputError: error, outputErrorFrom, damping }] = reports;
    assertEquals([sparsity, outputErrorFrom, damping], [
      zeros / (rows * cols),
      from,
      from === "hessian" ? 0.01 : undefined,
    ]);
    assertGreater(seconds, 0);
    const weight = "model.layers.0.mlp.down_proj.weight", { dtype } = checkpoint.tensors.get(weight)!;
    const before = toFloats((await checkpoint.read([weight])).get(weight)!, dtype),
      after = toFloats(weights.get(weight)!, dtype);
    if (from === "hessian") {
      const expected = outputError(before, after, backend.inputs);
      assertLess(Math.abs(error! / expected - 1), ROUNDED);
    } else {
      const squares = new Float64Array(cols);
      for (const { x } of backend.inputs) x.forEach((value, at) => squares[at % cols] += value ** 2);
      const energy = (w: Float32Array) => w.reduce((sum, value, at) => sum + value ** 2 * squares[at % cols], 0);
      assertLess(Math.abs(error! / (energy(before.map((w, i) => w - after[i])) / energy(before)) - 1), ROUNDED);
    }
  });
}

Deno.test("magnitude knows of no input and reports no output error", async () => {
  await using watched = await watch("tiny-llama3");
  const { reports } = await pruned(watched.checkpoint, new ReferenceBackend(), { name: "magnitude" });
  for (const report of reports) assert(!("outputError" in report) && !("damping" in report));
});

Deno.test("q, k and v share one factor, gate and up another", async () => {
  await using watched = await watch("tiny-llama3");
  let factors = 0;
  class Counting extends ReferenceBackend {
    override inverseFactor(...args: Parameters<Backend["inverseFactor"]>) {
      factors++;
      return super.inverseFactor(...args);
    }
  }
  const backend = new Counting();
  await pruned(watched.checkpoint, backend, { name: "sparsegpt", calibration: SMALL, leave: { blocks: "1" } });
  assertEquals([factors, backend.live], [4, 0]);
});

Deno.test("with --true-sequential a linear sees what the pruned linears before it give, else what the dense block gives", async () => {
  await using watched = await watch("tiny-llama3");
  const observed = async (trueSequential: boolean) => {
    const statistics = new Map<string, string>(), phases: string[] = [];
    const { weights } = await pruned(watched.checkpoint, new ReferenceBackend(), {
      name: "sparsegpt",
      calibration: SMALL,
      leave: { blocks: "0" },
      trueSequential,
      onStatistic: (linear, statistic) =>
        void statistics.set(linear.slice("model.layers.0.".length), String(statistic)),
      onProgress: ({ phase }) => void phases.push(phase),
    });
    return { statistics, weights, phases };
  };
  const together = await observed(false), stepwise = await observed(true);
  const same = (linear: string) => together.statistics.get(linear) === stepwise.statistics.get(linear);
  assert(same("self_attn.q_proj"), "the first linears have none before them");
  for (const linear of ["self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"]) assert(!same(linear), linear);
  assertEquals([together.phases, stepwise.phases], [["observe"], ["observe"]]);
  assertEquals([...stepwise.weights.keys()], [...together.weights.keys()]);
});

Deno.test("--true-sequential gives the bytes of a block that is run anew for each input, though it is run once", async () => {
  await using watched = await watch("tiny-llama3");
  const { checkpoint } = watched, calibration = CALIBRATION, backend = new ReferenceBackend();
  const options = { name: "sparsegpt", calibration, trueSequential: true } as const;
  const passes: string[] = [];
  const once = await pruned(checkpoint, backend, {
    ...options,
    leave: { blocks: "0-1" },
    onProgress: ({ phase, block }) => void passes.push(`${phase} ${block}`),
  });
  const batches = 2;
  assertEquals(passes, [0, 0, 1, 1].map((block) => `observe ${block}`).slice(0, 2 * batches));
  // The same by hand: a run for each input, the groups of before pruned already.
  const anew = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const block of [0, 1]) {
    for (const include of [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["gate_proj", "up_proj"], ["down_proj"]]) {
      const { weights } = await pruned(overlay(checkpoint, anew), backend, {
        name: "sparsegpt",
        calibration,
        leave: { blocks: `${block}`, include },
      });
      for (const [name, bytes] of weights) anew.set(name, bytes);
    }
  }
  assertEquals([...once.weights], [...anew]);
  assertEquals(backend.live, 0);
});

Deno.test("a first block observed once gives every method the bytes of a run of its own, and is not observed again", async () => {
  await using watched = await watch("tiny-qwen3");
  const backend = new ReferenceBackend(), { checkpoint } = watched;
  const methods = [{ name: "wanda" }, { name: "sparsegpt" }, { name: "wanda", update: "iterative" }] as const;
  {
    using first = await observeFirst({ checkpoint, backend, calibration: SMALL }, true);
    for (const method of methods) {
      const alone = await pruned(checkpoint, backend, { ...method, calibration: SMALL });
      const seen: string[] = [];
      const shared = await pruned(checkpoint, backend, {
        ...method,
        calibration: SMALL,
        first,
        onProgress: ({ phase, block }) => void seen.push(`${phase} ${block}`),
      });
      assertEquals([...shared.weights], [...alone.weights]);
      assertEquals(seen, ["propagate 0", "observe 1", "propagate 1", "observe 2"]);
    }
  }
  assertEquals(backend.live, 0);
});

Deno.test("a first block observed without Hessians serves the methods that need none, and is observed again for SparseGPT", async () => {
  await using watched = await watch("tiny-llama3");
  const backend = new ReferenceBackend(), { checkpoint } = watched, leave = { blocks: "0" };
  {
    using first = await observeFirst({ checkpoint, backend, calibration: SMALL }, false);
    for (const [name, phases] of [["wanda", []], ["sparsegpt", ["observe"]]] as const) {
      const seen: string[] = [], alone = await pruned(checkpoint, backend, { name, calibration: SMALL, leave });
      const onProgress = ({ phase }: { phase: string }) => void seen.push(phase);
      const shared = await pruned(checkpoint, backend, { name, calibration: SMALL, leave, first, onProgress });
      assertEquals([[...shared.weights], seen], [[...alone.weights], phases]);
    }
    // A Hessian that was never collected is said to be missing.
    const up = linearsOf(readSpec(checkpoint).blocks[0]).find(({ role }) => role === "mlp.up_proj")!;
    assertThrows(() => first.hessian(up, 1), TypeError, "mlp.up_proj: expected sums");
  }
  assertEquals(backend.live, 0);
});

Deno.test("a Hessian that no damping makes positive is an error that names the linears, and nothing is written", async () => {
  await using watched = await watch("tiny-llama3");
  class Stubborn extends ReferenceBackend {
    override inverseFactor() {
      return Promise.resolve(undefined);
    }
  }
  for (
    const [damping, tried] of [
      [0.01, ", even with 10 of its mean diagonal added: expected more calibration tokens, or a larger --damping"],
      [0, ": expected more calibration tokens, or a --damping above 0"],
    ] as const
  ) {
    const written: string[] = [];
    const error = await assertRejects(() =>
      pruned(watched.checkpoint, new Stubborn(), {
        name: "sparsegpt",
        calibration: SMALL,
        solve: { ...DEFAULT_SOLVER_OPTIONS, damping },
        write: (name) => Promise.resolve(void written.push(name)),
      }), PareError);
    assertEquals(
      error.message,
      "model.layers.0.self_attn.q_proj, model.layers.0.self_attn.k_proj, model.layers.0.self_attn.v_proj: the Hessian of " +
        `the inputs cannot be inverted${tried}`,
    );
    assertEquals(written, []);
  }
});

Deno.test("fewer tokens than inputs are enough: the damping makes a singular Hessian positive", async () => {
  await using watched = await watch("tiny-llama3");
  const { reports } = await pruned(watched.checkpoint, new ReferenceBackend(), {
    name: "sparsegpt",
    calibration: randomTokens(1, 5, 128),
  });
  for (const { damping, outputError } of reports) {
    assertEquals(damping, 0.01);
    assert(Number.isFinite(outputError));
  }
});

Deno.test("SparseGPT loses less of the output than Wanda with its sequential update, and that less than Wanda alone", async () => {
  await using watched = await watch("tiny-llama3");
  const leave = { blocks: "0" }, calibration = CALIBRATION;
  // The errors of Wanda alone are estimates; what its masks cost is measured by an update that changes nothing.
  const mean = async (asked: Parameters<typeof pruned>[2]) => {
    const { reports } = await pruned(watched.checkpoint, new ReferenceBackend(), { ...asked, leave, calibration });
    return reports.reduce((sum, { outputError }) => sum + outputError!, 0) / reports.length;
  };
  const unchanged = { damping: 1e6, blockSize: 128 };
  const sparsegpt = await mean({ name: "sparsegpt" });
  const updated = await mean({ name: "wanda", update: "sequential" });
  const alone = await mean({ name: "wanda", update: "sequential", solve: unchanged });
  assertLess(sparsegpt, updated);
  assertLess(updated, alone);
});

Deno.test("what solves by products is damped by how many tokens an input saw, whoever asks; SparseGPT as it was published", async () => {
  await using watched = await watch("tiny-llama3");
  const { checkpoint } = watched, backend = new ReferenceBackend(), tokens = CALIBRATION.ids.length;
  const leave = { blocks: "0", include: ["*.mlp.*"] };
  const admm = await pruned(checkpoint, backend, { name: "admm", leave });
  for (const { name, cols, damping } of admm.reports) assertEquals(damping, cols / tokens, name);
  assertEquals(new Set(admm.reports.map(({ cols }) => cols)).size, 2);
  const sparsegpt = await pruned(checkpoint, backend, { name: "sparsegpt", leave });
  for (const { name, damping } of sparsegpt.reports) assertEquals(damping, 0.01, name);
});
