/** Which linear is asked for how much: by a person's map, or by its block. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { PareError } from "../../src/errors.ts";
import { atp, findMethod, makeRequest, OUTLIER, owl } from "../../src/method/mod.ts";
import { readSpec } from "../../src/model/read.ts";
import { allocate, mapRequests, type SparsityMap } from "../../src/stream/allocation.ts";
import { blockStatistics } from "../../src/stream/blocks.ts";
import { chooseTargets, requestFor } from "../../src/stream/target.ts";
import { ReferenceBackend } from "../reference/backend.ts";
import { toFloats } from "../reference/floats.ts";
import { watch } from "./checkpoints.ts";
import { pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

const wanda = findMethod("wanda"), half = makeRequest(wanda, {});

Deno.test("a map asks of each linear what its last matching glob says, and of the others what all are asked", async () => {
  await using watched = await watch("tiny-llama3");
  const spec = readSpec(watched.checkpoint);
  const requests = mapRequests(spec, wanda, half, { "*.mlp.*": 0.75, "layers.1.mlp.up_proj": "2:4", "q_proj": 0 });
  const asked = (linear: string) => requestFor(requests, `model.layers.${linear}`);
  assertEquals(asked("0.self_attn.k_proj"), { sparsity: 0.5 });
  assertEquals(asked("0.self_attn.q_proj"), { sparsity: 0 });
  assertEquals(asked("2.mlp.up_proj"), { sparsity: 0.75 });
  assertEquals(asked("1.mlp.up_proj"), { sparsity: 0.5, pattern: { n: 2, m: 4 } });
  const { reports } = await pruned(watched.checkpoint, new ReferenceBackend(), {
    request: requests,
    targets: chooseTargets(spec, requests),
    calibration: randomTokens(2, 8, 128),
  });
  for (const { name, sparsity, cols } of reports) {
    const { sparsity: share, pattern } = requestFor(requests, name);
    assertEquals(sparsity, pattern ? 0.5 : Math.floor(cols * share) / cols);
  }
});

Deno.test("a map that is none, asks for nonsense or names no linear is refused", async () => {
  await using watched = await watch("tiny-llama3");
  const spec = readSpec(watched.checkpoint);
  const refusal = (map: unknown) =>
    assertThrows(() => mapRequests(spec, wanda, half, map as SparsityMap), PareError).message;
  const expected = '--sparsity-map: expected an object such as {"*.mlp.*": 0.6, "q_proj": "2:4"}';
  for (const map of [[], null, 3, "x"]) assertEquals(refusal(map), expected);
  assertEquals(
    refusal({ "*.nothing": 0.5 }),
    "--sparsity-map *.nothing: matches no linear; their names are such as model.layers.0.self_attn.q_proj",
  );
  assertEquals(
    refusal({ q_proj: true }),
    '--sparsity-map q_proj: expected a share such as 0.5 or a pattern such as "2:4"',
  );
  assertEquals(refusal({ q_proj: 1 }), "--sparsity-map q_proj: --sparsity 1: expected a share in [0, 1)");
  assertEquals(refusal({ q_proj: 55 }), "--sparsity-map q_proj: 55: expected a share in [0, 1); did you mean 0.55?");
  const wide = mapRequests(spec, wanda, half, { "up_proj": "31:33" });
  assertEquals(
    assertThrows(() => chooseTargets(spec, wide), PareError).message,
    "--pattern 31:33: model.layers.0.mlp.up_proj has 64 inputs, not a multiple of 33",
  );
});

Deno.test("outliers and medians are of all linears of a block, on what the dense network gives", async () => {
  await using watched = await watch("tiny-qwen2");
  const { checkpoint } = watched, calibration = randomTokens(2, 10, 128), backend = new ReferenceBackend();
  const [ratios, medians] = [
    await blockStatistics({ checkpoint, backend, calibration, statistic: "outliers" }),
    await blockStatistics({ checkpoint, backend, calibration, statistic: "median" }),
  ];
  assertEquals(backend.live, 0);
  // The same from the statistics of a pass that removes nothing.
  const scores = new Map<string, number[]>(), statistics = new Map<string, Float32Array>();
  await pruned(checkpoint, backend, {
    ask: { sparsity: 0 },
    calibration,
    onStatistic: (linear, statistic) => void statistics.set(linear, statistic),
  });
  for (const [linear, statistic] of statistics) {
    const name = `${linear}.weight`, block = linear.split(".")[2];
    const weights = toFloats((await checkpoint.read([name])).get(name)!, checkpoint.tensors.get(name)!.dtype);
    const own = [...weights].map((weight, at) => Math.abs(weight) * Math.sqrt(statistic[at % statistic.length]));
    scores.set(block, [...scores.get(block) ?? [], ...own]);
  }
  const expected = [...scores.values()].map((all) => {
    const mean = all.reduce((a, b) => a + b) / all.length;
    return all.filter((score) => score > OUTLIER * mean).length / all.length;
  });
  assertEquals(ratios.length, 3);
  ratios.forEach((ratio, block) => assertAlmostEquals(ratio, expected[block], 1e-12));
  // Of an even number the lower of the two in the middle. A score is a product and a root in f32.
  const middle = [...scores.values()].map((all) => all.toSorted((a, b) => a - b)[Math.floor((all.length - 1) / 2)]);
  medians.forEach((median, block) => assertAlmostEquals(median / middle[block], 1, 2 ** -22));
});

Deno.test("an allocation that asks nothing goes by the blocks' order", async () => {
  await using watched = await watch("tiny-llama3");
  const targets = chooseTargets(readSpec(watched.checkpoint), half), requests = allocate(atp, targets, half);
  for (const [block, sparsity] of [0.45, 0.5, 0.55].entries()) {
    assertAlmostEquals(requestFor(requests, `model.layers.${block}.mlp.up_proj`).sparsity, sparsity, 1e-12);
  }
});

Deno.test("OWL asks every pruned block for its own sparsity, whose mean is what was asked", async () => {
  await using watched = await watch("tiny-llama3");
  const targets = chooseTargets(readSpec(watched.checkpoint), half, { blocks: "0,2" });
  const requests = allocate(owl, targets, half, [0.01, 0.9, 0.02]), expected = owl.share([0.01, 0.02], 0.5);
  for (const [i, block] of [0, 2].entries()) {
    for (const linear of ["self_attn.q_proj", "mlp.down_proj"]) {
      assertEquals(requestFor(requests, `model.layers.${block}.${linear}`), { sparsity: expected[i] });
    }
  }
  assertAlmostEquals((expected[0] + expected[1]) / 2, 0.5, 1e-12);
});
