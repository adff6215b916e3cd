/**
 * A mixture of experts on several ranks, all in this process (`ranks_test.ts` kills real ones): an expert's sums are of the
 * tokens that its router sent to it in each shard, one rank prunes all of it, and the bytes are one process's.
 */
import { assert, assertEquals } from "@std/assert";
import type { Backend } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openDirectory } from "../../src/checkpoint/directory.ts";
import { expertsOf, mlpLinears } from "../../src/model/layers.ts";
import { readSpec } from "../../src/model/read.ts";
import type { Mlp } from "../../src/model/spec.ts";
import { Exchange } from "../../src/stream/exchange.ts";
import { meetingFolder, type MeetingPlace } from "../../src/stream/meeting.ts";
import { Observation } from "../../src/stream/observation.ts";
import { Shards } from "../../src/stream/shards.ts";
import { temporary } from "../checkpoint/folders.ts";
import { MODELS, withoutExpert } from "./checkpoints.ts";
import { type Asked, pruned } from "./pruned.ts";
import { randomTokens } from "./random_model.ts";

const SHARDS = 5, PLAN = "0".repeat(16), PATTERN = { n: 2, m: 4 };
/** Of two sequences a shard. */
const calibration = randomTokens(2 * SHARDS, 16, 256);

/** An item that a rank gave to the others. */
interface Item {
  readonly name: string;
  readonly bytes: number;
  readonly rank: number;
}

/** Writes down, until it is disposed of, in which order shards' sums over an input are merged. */
function watchMerges() {
  const merged: { readonly group: string; readonly shard: number }[] = [];
  const { sumsOf } = Shards.prototype, { absorbBytes } = Observation.prototype;
  let shard = -1;
  Shards.prototype.sumsOf = function (part, observation) {
    shard = part.index;
    return sumsOf.call(this, part, observation);
  };
  Observation.prototype.absorbBytes = function (group, bytes) {
    merged.push({ group: group[0].name, shard });
    return absorbBytes.call(this, group, bytes);
  };
  return {
    merged,
    [Symbol.dispose]() {
      Shards.prototype.sumsOf = sumsOf;
      Observation.prototype.absorbBytes = absorbBytes;
    },
  };
}

/** What each of some ranks has written, and what they gave each other. */
async function together(checkpoint: Checkpoint, backend: Backend, ranks: number, asked: Asked) {
  using folder = temporary();
  const base = meetingFolder(folder.path), items: Item[] = [];
  const place: MeetingPlace = {
    ...base,
    write(name, bytes, rank) {
      if (name.startsWith(PLAN)) items.push({ name, bytes: bytes.length, rank });
      return base.write(name, bytes, rank);
    },
  };
  using merges = watchMerges();
  const results = await Promise.all(Array.from({ length: ranks }, async (_, rank) => {
    const part = { rank, ranks };
    await using exchange = await Exchange.open({ ...part, place, plan: PLAN, patience: 60 });
    return await pruned(checkpoint, backend, { ...asked, shards: { shards: SHARDS, exchange, ranks: part } });
  }));
  const sums = items.filter(({ name }) => name.includes(".sums-"));
  for (const { name } of sums) assert(!await base.has(name), `${name} was used, and is there`);
  // Sums are so exact that bytes seldom tell in which order they were merged.
  const merged = Map.groupBy(merges.merged, ({ group }) => group);
  assertEquals(merged.size * (SHARDS + (asked.holdout ? 1 : 0)), sums.length);
  for (const [group, all] of merged) {
    const expected = Array.from({ length: SHARDS + (asked.holdout ? 1 : 0) }, (_, shard) => shard);
    assertEquals(all.map(({ shard }) => shard), expected, group);
  }
  return { results, sums, solved: items.filter((item) => !sums.includes(item)) };
}

/** All that is the same however often it is done. */
function fixed({ reports, weights }: Awaited<ReturnType<typeof pruned>>) {
  const hex = Object.fromEntries([...weights].sort(([a], [b]) => a < b ? -1 : 1).map(([name, b]) => [name, b.toHex()]));
  return JSON.stringify({ reports: reports.map(({ seconds: _, ...report }) => report), hex });
}

/** The experts of all blocks, by name. */
function expertsIn(checkpoint: Checkpoint): Set<string> {
  return new Set(readSpec(checkpoint).blocks.flatMap((block) => expertsOf(block)?.experts ?? []).map(expertName));
}

const expertName = (expert: Mlp) => ownerOf(expert.down.name);
const ownerOf = (linear: string) => linear.replace(/\.[^.]*$/, "");

for (const model of ["tiny-mixtral", "tiny-qwen3-moe"]) {
  for (
    const [called, asked] of [
      ["wanda", { name: "wanda" }],
      ["wanda by 2:4", { name: "wanda", ask: { pattern: PATTERN } }],
      ["sparsegpt", { name: "sparsegpt" }],
      ["sparsegpt by 2:4", { name: "sparsegpt", ask: { pattern: PATTERN } }],
      ["sparsegpt with some sequences held out", { name: "sparsegpt", holdout: true }],
    ] as const
  ) {
    Deno.test(`${model}, ${called}: 1, 2 and 4 ranks give the bytes and reports of one process`, async () => {
      await using checkpoint = await openDirectory(`${MODELS}/${model}`);
      await using backend = await openBackend("wasm", { workers: 1 });
      const options = { calibration, ...asked }, experts = expertsIn(checkpoint);
      const alone = await pruned(checkpoint, backend, { ...options, shards: { shards: SHARDS } });
      assert(alone.reports.some(({ tokens }) => tokens! > 0));
      for (const ranks of [1, 2, 4]) {
        const { results, solved } = await together(checkpoint, backend, ranks, options);
        for (const [rank, result] of results.entries()) {
          assert(fixed(result) === fixed(alone), `rank ${rank} of ${ranks} has written something else`);
        }
        // Each is pruned once, all of an expert by one rank, and every rank has some.
        assertEquals(solved.length, alone.reports.length);
        const solvers = Map.groupBy(solved, ({ name }) => ownerOf(name.slice(name.lastIndexOf("/") + 1)));
        const own = [...experts].map((expert) => new Set(solvers.get(expert)!.map(({ rank }) => rank)));
        assert(own.every(({ size }) => size === 1));
        assertEquals(new Set(own.flatMap((ranks) => [...ranks])).size, ranks);
      }
    });
  }
}

Deno.test("in true order, too, experts on two ranks are pruned as in one process", async () => {
  await using checkpoint = await openDirectory(`${MODELS}/tiny-mixtral`);
  await using backend = await openBackend("wasm", { workers: 1 });
  const options = { name: "sparsegpt", calibration, trueSequential: true };
  const alone = await pruned(checkpoint, backend, { ...options, shards: { shards: SHARDS } });
  const { results } = await together(checkpoint, backend, 2, options);
  for (const result of results) assert(fixed(result) === fixed(alone));
});

Deno.test("an expert that saw no token in any shard is named, and pruned by magnitude; one that saw some in a few is not", async () => {
  await using dense = await openDirectory(`${MODELS}/tiny-mixtral`);
  await using backend = await openBackend("wasm", { workers: 1 });
  const checkpoint = withoutExpert(dense), [first] = readSpec(checkpoint).blocks;
  const blind = mlpLinears(expertsOf(first)!.experts[1]).map(({ name }) => name);
  // Few tokens in a shard: some of the other experts have none there.
  const few = { name: "sparsegpt", calibration: randomTokens(SHARDS, 4, 256), leave: { blocks: "0" } };
  const whole = await pruned(checkpoint, backend, few);
  const bySize = await pruned(checkpoint, backend, { ...few, name: "magnitude", calibration: undefined });
  const { results: [{ reports, weights }], sums } = await together(checkpoint, backend, 2, few);
  // The first block is dense when it is observed: the router does what it does in a pass that is not cut.
  const tokensOf = (of: typeof reports) => of.map(({ name, tokens }) => [name, tokens]);
  assertEquals(tokensOf(reports), tokensOf(whole.reports));
  assertEquals(reports.filter(({ tokens }) => tokens === 0).map(({ name }) => name), blind);
  for (const { name } of reports) {
    const alike = weights.get(`${name}.weight`)!.toHex() === bySize.weights.get(`${name}.weight`)!.toHex();
    assertEquals(alike, blind.includes(name), name);
  }
  // Of what an expert has not seen no matrix goes round.
  const none = Math.min(...sums.map(({ bytes }) => bytes)), empty = sums.filter(({ bytes }) => bytes === none);
  const of = Map.groupBy(empty, ({ name }) => name.replace(/\.sums-.*$/, ""));
  assertEquals([...of].filter(([name]) => blind.some((linear) => name.endsWith(linear))).map(([, all]) => all.length), [
    SHARDS,
    SHARDS,
  ]);
  assert(of.size > 2, "every other expert has seen tokens in all shards: nothing was tried");
});
