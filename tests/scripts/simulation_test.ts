/** The bench's simulation of several machines: its bytes are those that real ranks exchange, its times add up. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { simulate, workOf } from "../../scripts/bench/simulation.ts";
import {
  BYTES,
  Exchange,
  findMethod,
  makeRequest,
  meetingFolder,
  openBackend,
  openCheckpoint,
  prune,
} from "../../src/mod.ts";
import { readSpec } from "../../src/mod.ts";
import { rectangle } from "../../src/text/batch.ts";
import { AUSTEN } from "./commands.ts";

const SEQUENCES = 4, LENGTH = 32, RANKS = 2;
const ids = Uint32Array.from({ length: SEQUENCES * LENGTH }, (_, i) => 3 + (i * i * 7 + i * 13) % 500);

/** Bytes of what ranks give each other in a real run: sums, and results without the reports that stand before them. */
async function exchanged(name: string): Promise<{ sums: number; results: number }> {
  const directory = await Deno.makeTempDir({ prefix: "pare-simulation-" }), found = { sums: 0, results: 0 };
  const put = Exchange.prototype.put;
  Exchange.prototype.put = function (item, ...parts) {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    if (item.includes(".sums-")) found.sums += bytes;
    else found.results += bytes - parts[0].length - parts[1].length;
    return put.call(this, item, ...parts);
  };
  try {
    await Promise.all(Array.from({ length: RANKS }, async (_, rank) => {
      await using checkpoint = await openCheckpoint(AUSTEN);
      await using backend = await openBackend("wasm", { workers: 1 });
      const ranks = { rank, ranks: RANKS }, method = findMethod(name);
      await using exchange = await Exchange.open({
        ...ranks,
        place: meetingFolder(directory),
        plan: "0".repeat(16),
        patience: 60,
      });
      await prune({
        checkpoint,
        backend,
        method,
        request: makeRequest(method, { sparsity: 0.5 }),
        calibration: rectangle(ids, LENGTH),
        shards: { shards: RANKS, exchange, ranks },
        write: () => Promise.resolve(),
      });
    }));
    return found;
  } finally {
    Exchange.prototype.put = put;
    await Deno.remove(directory, { recursive: true });
  }
}

for (const name of ["wanda", "sparsegpt"]) {
  Deno.test(`${name}: what is written on paper is what ranks write, to the byte`, async () => {
    await using checkpoint = await openCheckpoint(AUSTEN);
    const spec = readSpec(checkpoint), { dtype } = checkpoint.tensors.get("model.layers.0.mlp.down_proj.weight")!;
    const work = workOf(spec, findMethod(name), SEQUENCES, LENGTH, BYTES[dtype]);
    const { sums, results } = await exchanged(name);
    assertEquals(simulate(work, { rate: 1, link: 1 }, RANKS).written, sums + results);
    assertEquals(work.blocks * RANKS * work.groups.reduce((sum, { sumBytes }) => sum + sumBytes, 0), sums);
  });
}

Deno.test("without a link that takes time, machines share the passes and the solves of a block; with one, they wait as well", async () => {
  await using checkpoint = await openCheckpoint(AUSTEN);
  const work = workOf(readSpec(checkpoint), findMethod("sparsegpt"), 128, 2048, 2), rate = 1e9;
  const [one, two, many] = [1, 2, 64].map((ranks) => simulate(work, { rate, link: Infinity }, ranks));
  assertEquals([one.exchangeSeconds, one.written, one.read], [0, 0, 0]);
  assert(two.seconds > one.seconds / 2 && two.seconds < one.seconds);
  // What cannot be shared further: the largest of a block's four solves.
  const passes = work.tokens * (work.observeFlops + work.propagateFlops);
  const largest = Math.max(...work.groups.map(({ flops }) => flops));
  assertAlmostEquals(many.seconds, work.blocks * (passes / 64 + largest) / rate, 1e-9 * many.seconds);
  const slow = simulate(work, { rate, link: 1e6 }, 64);
  // Rounding of sums of a few hundred terms.
  assertAlmostEquals(slow.seconds - slow.exchangeSeconds, many.seconds, 1e-9 * slow.seconds);
});
